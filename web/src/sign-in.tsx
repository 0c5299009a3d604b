import { useEffect, useState } from 'preact/hooks'
import { rememberPairing } from './pairing-place.ts'
import { DoorError, findProvider, PROVIDER_START, signIn } from './door.ts'

/** Asks for name and password, or leads to a provider that knows the user. */
export function SignIn({ onDone }: { onDone: () => void }) {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState('')
  const [hasCode, setHasCode] = useState(false)
  const [provider, setProvider] = useState<string>()
  useEffect(() => {
    // Without an answer there is no such button; a password may do.
    findProvider().then(setProvider, () => {})
  }, [])
  const submit = (event: SubmitEvent): void => {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    const field = (name: string): string => form.get(name) as string
    setBusy(true)
    setProblem('')
    signIn(field('login'), field('password'), hasCode ? field('code').trim() : undefined)
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
        {hasCode && (
          <label>
            Code
            <input name="code" inputmode="numeric" autocomplete="one-time-code" maxlength={16} />
          </label>
        )}
        {!hasCode && (
          <button type="button" class="plain" onClick={() => setHasCode(true)}>
            I have a code
          </button>
        )}
        {problem !== '' && <p role="alert">{problem}</p>}
        <button class="main" disabled={busy}>
          {busy ? 'Signing in …' : 'Sign in'}
        </button>
      </form>
      {provider !== undefined && (
        <a class="button" href={PROVIDER_START} onClick={rememberPairing}>
          Sign in with {provider}
        </a>
      )}
    </main>
  )
}
