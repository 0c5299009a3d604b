import { useState } from 'preact/hooks'
import { DoorError, signIn } from './door.ts'

/** Asks for name and password. */
export function SignIn({ onDone }: { onDone: () => void }) {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState('')
  const submit = (event: SubmitEvent): void => {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    const field = (name: string): string => form.get(name) as string
    setBusy(true)
    setProblem('')
    signIn(field('login'), field('password'))
      .then(onDone)
      .catch((error: unknown) => setProblem(error instanceof DoorError ? error.message : String(error)))
      .finally(() => setBusy(false))
  }
  return (
    <main class="card">
      <h1>Ostler</h1>
      <form onSubmit={submit}>
        <label>
          Name
          <input name="login" autocomplete="username" required autofocus />
        </label>
        <label>
          Password
          <input name="password" type="password" autocomplete="current-password" required />
        </label>
        {problem !== '' && <p role="alert">{problem}</p>}
        <button class="main" disabled={busy}>
          {busy ? 'Signing in …' : 'Sign in'}
        </button>
      </form>
    </main>
  )
}
