import { render } from 'preact'
import { useCallback, useEffect, useState } from 'preact/hooks'
import { useLanguage } from '../shared/language.ts'
import { applyTheme } from '../shared/theme.ts'
import { type AnswerOf, ApiError, ask, problemText } from './api.ts'
import { forgetPageKey, onSignedOut, pageKey } from './session.ts'
import { Shell } from './shell.tsx'
import { SignIn } from './sign-in.tsx'
import './style.css'
import { say } from './words.ts'

export type Self = AnswerOf<'GET /v1/self'>

type Who =
  | { readonly at: 'asking' }
  | { readonly at: 'nobody' }
  | { readonly at: 'broken'; readonly text: string }
  | { readonly at: 'here'; readonly self: Self }

function App() {
  const language = useLanguage()
  const [who, setWho] = useState<Who>({ at: 'asking' })
  const look = useCallback(() => {
    if (pageKey() === '') return setWho({ at: 'nobody' })
    ask('GET /v1/self', {}).then(
      (self) => setWho({ at: 'here', self }),
      (error: unknown) => {
        if (error instanceof ApiError && error.status === 401) forgetPageKey()
        else setWho({ at: 'broken', text: problemText(error) })
      },
    )
  }, [])
  useEffect(() => {
    const stop = onSignedOut(() => setWho({ at: 'nobody' }))
    look()
    return stop
  }, [look])
  switch (who.at) {
    case 'asking':
      return <p class="quiet">{say('loading')}</p>
    case 'nobody':
      return <SignIn onDone={look} />
    case 'broken':
      return (
        <main class="card">
          <p role="alert">{who.text}</p>
          <button onClick={look}>{say('reset')}</button>
        </main>
      )
    case 'here':
      // Another language is another page: nothing in it remembers words.
      return <Shell key={language} self={who.self} />
  }
}

applyTheme()
const root = document.getElementById('app')
if (root !== null) render(<App />, root)
