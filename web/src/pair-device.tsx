import { useState } from 'preact/hooks'
import { answerDevice, type AskingDevice, problemText, showDevice } from './door.ts'
import { language, phrases } from './shared/language.ts'

const say = phrases({
  title: ['Pair a device', 'Emparejar un dispositivo'],
  code: ['Code that the device shows', 'Código que muestra el dispositivo'],
  go: ['Continue', 'Continuar'],
  asks: [
    '{client} asks from address {address}, since {since}.',
    '{client} pregunta desde la dirección {address}, desde las {since}.',
  ],
  sure: [
    'It will use your desktops as {login} for a day. Confirm only if you have it before you and began this yourself.',
    'Usará sus escritorios como {login} durante un día. Confirme solo si lo tiene delante y lo ha empezado usted.',
  ],
  confirm: ['Confirm', 'Confirmar'],
  refuse: ['Refuse', 'Rechazar'],
  paired: ['The device is paired and goes on by itself.', 'El dispositivo está emparejado y continúa solo.'],
  refused: ['The device was refused.', 'Se rechazó el dispositivo.'],
  back: ['Back to the list', 'Volver a la lista'],
})

type Step =
  | { readonly at: 'code' }
  | { readonly at: 'confirm'; readonly code: string; readonly device: AskingDevice }
  | { readonly at: 'done'; readonly text: string }

/** Lets a device in that shows a code: who asks is shown before anything is said. */
export function PairDevice({ login, onLeave }: { login: string; onLeave: () => void }) {
  const [step, setStep] = useState<Step>({ at: 'code' })
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState('')
  const act = (action: () => Promise<Step>): void => {
    setBusy(true)
    setProblem('')
    action()
      .then(setStep)
      .catch((error: unknown) => setProblem(problemText(error)))
      .finally(() => setBusy(false))
  }
  const look = (event: SubmitEvent): void => {
    event.preventDefault()
    const code = new FormData(event.currentTarget as HTMLFormElement).get('code') as string
    act(async () => ({ at: 'confirm', code, device: await showDevice(code) }))
  }
  const answer = (code: string, allow: boolean): void =>
    act(async () => {
      await answerDevice(code, allow)
      return {
        at: 'done',
        text: say(allow ? 'paired' : 'refused'),
      }
    })
  return (
    <main class="card">
      <h1>{say('title')}</h1>
      {step.at === 'code' && (
        <form onSubmit={look}>
          <label>
            {say('code')}
            <input
              name="code"
              class="code"
              autocomplete="off"
              autocapitalize="characters"
              spellcheck={false}
              placeholder="XXXX-XXXX"
              required
              autofocus
            />
          </label>
          <button class="main" disabled={busy}>
            {say('go')}
          </button>
        </form>
      )}
      {step.at === 'confirm' && (
        <section aria-live="polite">
          <p>
            {say('asks', {
              ...step.device,
              since: new Date(step.device.at).toLocaleTimeString(language()),
            })}
          </p>
          <p>{say('sure', { login })}</p>
          <div class="choice">
            <button class="main" disabled={busy} onClick={() => answer(step.code, true)}>
              {say('confirm')}
            </button>
            <button disabled={busy} onClick={() => answer(step.code, false)}>
              {say('refuse')}
            </button>
          </div>
        </section>
      )}
      {step.at === 'done' && <p role="status">{step.text}</p>}
      {problem !== '' && <p role="alert">{problem}</p>}
      <button onClick={onLeave}>{say('back')}</button>
    </main>
  )
}
