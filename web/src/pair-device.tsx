import { useState } from 'preact/hooks'
import { answerDevice, type AskingDevice, DoorError, showDevice } from './door.ts'

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
      .catch((error: unknown) =>
        setProblem(error instanceof DoorError ? `${error.message} ${error.advice}` : String(error)),
      )
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
        text: allow ? 'The device is paired and goes on by itself.' : 'The device was refused.',
      }
    })
  return (
    <main class="card">
      <h1>Pair a device</h1>
      {step.at === 'code' && (
        <form onSubmit={look}>
          <label>
            Code that the device shows
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
            Continue
          </button>
        </form>
      )}
      {step.at === 'confirm' && (
        <section aria-live="polite">
          <p>
            <strong>{step.device.client}</strong> asks from address <strong>{step.device.address}</strong>,
            since {new Date(step.device.at).toLocaleTimeString()}.
          </p>
          <p>
            It will use your desktops as <strong>{login}</strong> for a day. Confirm only if you have it
            before you and began this yourself.
          </p>
          <div class="choice">
            <button class="main" disabled={busy} onClick={() => answer(step.code, true)}>
              Confirm
            </button>
            <button disabled={busy} onClick={() => answer(step.code, false)}>
              Refuse
            </button>
          </div>
        </section>
      )}
      {step.at === 'done' && <p role="status">{step.text}</p>}
      {problem !== '' && <p role="alert">{problem}</p>}
      <button onClick={onLeave}>Back to the list</button>
    </main>
  )
}
