import { useState } from 'preact/hooks'
import { phrases } from '../shared/language.ts'
import { Preferences } from '../shared/preferences.tsx'
import { ask, problemText } from './api.ts'
import { keepPageKey } from './session.ts'

const say = phrases({
  title: ['Ostler administration', 'Administración de Ostler'],
  secret: ['Token or one-time code', 'Token o código de un solo uso'],
  how: [
    'On a node, qa administrator invite -f name=YOU prints a code that is good once.',
    'En un nodo, qa administrator invite -f name=USTED muestra un código de un solo uso.',
  ],
  keep: ['Stay signed in for 30 days', 'Mantener la sesión durante 30 días'],
  go: ['Sign in', 'Entrar'],
  going: ['Signing in …', 'Entrando …'],
})

/** What codes begin with, in place of tokens. */
const CODE = 'ostler-invite_'

/** Takes a token, or the code of an invitation. Neither is kept: the browser gets a session of its own. */
export function SignIn({ onDone }: { readonly onDone: () => void }) {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState('')
  const submit = (event: SubmitEvent): void => {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    const secret = (form.get('secret') as string).trim()
    const body = {
      ...(secret.startsWith(CODE) ? { code: secret } : { token: secret }),
      keep: form.has('keep'),
    }
    setBusy(true)
    setProblem('')
    ask('POST /v1/session', { body })
      .then(({ key }) => {
        keepPageKey(key)
        onDone()
      })
      .catch((error: unknown) => setProblem(problemText(error)))
      .finally(() => setBusy(false))
  }
  return (
    <main class="card">
      <h1>{say('title')}</h1>
      <form onSubmit={submit}>
        <label>
          {say('secret')}
          <input name="secret" type="password" autocomplete="current-password" required autofocus />
        </label>
        <label class="check">
          <input name="keep" type="checkbox" />
          {say('keep')}
        </label>
        {problem !== '' && <p role="alert">{problem}</p>}
        <button class="main" disabled={busy}>
          {busy ? say('going') : say('go')}
        </button>
      </form>
      <p class="quiet">{say('how')}</p>
      <Preferences />
    </main>
  )
}
