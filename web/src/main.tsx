import { render } from 'preact'
import { useCallback, useEffect, useState } from 'preact/hooks'
import { DesktopList } from './desktop-list.tsx'
import { DesktopView } from './desktop-view.tsx'
import { type DesktopListItem, DoorError, listDesktops } from './door.ts'
import { PairDevice } from './pair-device.tsx'
import { wantsPairing } from './pairing-place.ts'
import { SignIn } from './sign-in.tsx'
import './style.css'

type Page =
  | { readonly at: 'loading' }
  | { readonly at: 'sign-in' }
  | { readonly at: 'list'; readonly login: string; readonly desktops: readonly DesktopListItem[] }
  | { readonly at: 'pair'; readonly login: string }
  | { readonly at: 'desktop'; readonly desktop: DesktopListItem }
  | { readonly at: 'broken'; readonly text: string }

function App() {
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
      return <p class="quiet">Loading …</p>
    case 'broken':
      return (
        <main class="card">
          <p role="alert">{page.text}</p>
          <button onClick={showList}>Try again</button>
        </main>
      )
    case 'sign-in':
      return <SignIn onDone={showList} />
    case 'list':
      return (
        <DesktopList
          login={page.login}
          desktops={page.desktops}
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

const root = document.getElementById('app')
if (root !== null) render(<App />, root)
