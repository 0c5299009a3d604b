import { render } from 'preact'
import { useCallback, useEffect, useState } from 'preact/hooks'
import { DesktopList } from './desktop-list.tsx'
import { DesktopView } from './desktop-view.tsx'
import { type DesktopListItem, DoorError, type Found, listDesktops } from './door.ts'
import { PairDevice } from './pair-device.tsx'
import { wantsPairing } from './pairing-place.ts'
import { phrases, useLanguage } from './shared/language.ts'
import { applyTheme } from './shared/theme.ts'
import { SignIn } from './sign-in.tsx'
import './style.css'

const say = phrases({
  loading: ['Loading …', 'Cargando …'],
  again: ['Try again', 'Reintentar'],
})

type Page =
  | { readonly at: 'loading' }
  | { readonly at: 'sign-in' }
  | ({ readonly at: 'list' } & Found)
  | { readonly at: 'pair'; readonly login: string }
  | { readonly at: 'desktop'; readonly desktop: DesktopListItem }
  | { readonly at: 'broken'; readonly text: string }

function App() {
  useLanguage()
  const [page, setPage] = useState<Page>({ at: 'loading' })
  const showList = useCallback(() => {
    listDesktops()
      .then((list) => setPage(wantsPairing() ? { at: 'pair', login: list.login } : { at: 'list', ...list }))
      .catch((error: unknown) => {
        const signedOut = error instanceof DoorError && error.status === 401
        setPage(signedOut ? { at: 'sign-in' } : { at: 'broken', text: String(error) })
      })
  }, [])
  useEffect(() => {
    showList()
    addEventListener('hashchange', showList)
    return () => removeEventListener('hashchange', showList)
  }, [showList])
  switch (page.at) {
    case 'loading':
      return <p class="quiet">{say('loading')}</p>
    case 'broken':
      return (
        <main class="card">
          <p role="alert">{page.text}</p>
          <button onClick={showList}>{say('again')}</button>
        </main>
      )
    case 'sign-in':
      return <SignIn onDone={showList} />
    case 'list':
      return (
        <DesktopList
          login={page.login}
          desktops={page.desktops}
          toMake={page.toMake}
          onOpen={(desktop) => setPage({ at: 'desktop', desktop })}
          onChange={showList}
        />
      )
    case 'pair':
      return <PairDevice login={page.login} onLeave={() => (location.hash = '')} />
    case 'desktop':
      return <DesktopView desktop={page.desktop} onLeave={showList} />
  }
}

applyTheme()
const root = document.getElementById('app')
if (root !== null) render(<App />, root)
