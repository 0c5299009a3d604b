import { useState } from 'preact/hooks'
import { makeDesktop, problemText } from './door.ts'
import { phrases } from './shared/language.ts'

const say = phrases({
  title: ['A new desktop', 'Un escritorio nuevo'],
  kind: ['Kind', 'Tipo'],
  make: ['Make it', 'Crear'],
})

interface Props {
  /** What she may have one more of. */
  readonly flavours: readonly string[]
  readonly onMade: () => void
}

/** Users who may make desktops by themselves choose what it is to be; its name follows from theirs. */
export function NewDesktop({ flavours, onMade }: Props) {
  const [problem, setProblem] = useState('')
  const [busy, setBusy] = useState(false)
  const submit = (event: SubmitEvent): void => {
    event.preventDefault()
    const osf = new FormData(event.currentTarget as HTMLFormElement).get('osf')
    if (typeof osf !== 'string') return
    setProblem('')
    setBusy(true)
    makeDesktop(osf)
      .then(onMade)
      .catch((error: unknown) => setProblem(problemText(error)))
      .finally(() => setBusy(false))
  }
  return (
    <section aria-label={say('title')}>
      <h2>{say('title')}</h2>
      {problem !== '' && <p role="alert">{problem}</p>}
      <form class="choice" onSubmit={submit}>
        <label>
          {say('kind')}{' '}
          <select name="osf">
            {flavours.map((flavour) => (
              <option key={flavour}>{flavour}</option>
            ))}
          </select>
        </label>
        <button disabled={busy}>{say('make')}</button>
      </form>
    </section>
  )
}
