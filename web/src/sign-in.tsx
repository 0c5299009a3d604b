import { useEffect, useState } from 'preact/hooks'
import { phrases } from './shared/language.ts'
import { Preferences } from './shared/preferences.tsx'
import { rememberPairing } from './pairing-place.ts'
import { findProvider, problemText, PROVIDER_START, signIn } from './door.ts'

const say = phrases({
  name: ['Name', 'Nombre'],
  password: ['Password', 'Contraseña'],
  code: ['Code', 'Código'],
  hasCode: ['I have a code', 'Tengo un código'],
  going: ['Signing in …', 'Entrando …'],
  go: ['Sign in', 'Entrar'],
  provider: ['Sign in with {provider}', 'Entrar con {provider}'],
})

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
      .catch((error: unknown) => setProblem(problemText(error)))
      .finally(() => setBusy(false))
  }
  return (
    <main class="card">
      <h1>Ostler</h1>
      <form onSubmit={submit}>
        <label>
          {say('name')}
          <input name="login" autocomplete="username" required autofocus />
        </label>
        <label>
          {say('password')}
          <input name="password" type="password" autocomplete="current-password" required />
        </label>
        {hasCode && (
          <label>
            {say('code')}
            <input name="code" inputmode="numeric" autocomplete="one-time-code" maxlength={16} />
          </label>
        )}
        {!hasCode && (
          <button type="button" class="plain" onClick={() => setHasCode(true)}>
            {say('hasCode')}
          </button>
        )}
        {problem !== '' && <p role="alert">{problem}</p>}
        <button class="main" disabled={busy}>
          {say(busy ? 'going' : 'go')}
        </button>
      </form>
      {provider !== undefined && (
        <a class="button" href={PROVIDER_START} onClick={rememberPairing}>
          {say('provider', { provider })}
        </a>
      )}
      <Preferences />
    </main>
  )
}
