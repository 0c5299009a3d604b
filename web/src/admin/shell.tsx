import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { phrases } from '../shared/language.ts'
import { Preferences } from '../shared/preferences.tsx'
import { ask } from './api.ts'
import { Audit } from './audit.tsx'
import { Configuration } from './configuration.tsx'
import { DesktopPage } from './desktop.tsx'
import { Desktops } from './desktops.tsx'
import { Flavours } from './flavours.tsx'
import { Images } from './images.tsx'
import type { Self } from './main.tsx'
import { Nodes } from './nodes.tsx'
import { Notices } from './notices.tsx'
import { OverviewPage } from './overview.tsx'
import { hrefOf, type Place, usePlace } from './place.ts'
import { RollOut } from './roll-out.tsx'
import { RollOuts } from './roll-outs.tsx'
import { MayContext } from './may.ts'
import { forgetPageKey } from './session.ts'
import { UserPage } from './user.tsx'
import { Users } from './users.tsx'
import { say } from './words.ts'

const sayHere = phrases({
  skip: ['Skip to the content', 'Saltar al contenido'],
  navigation: ['Administration', 'Administración'],
  signOut: ['Sign out', 'Salir'],
  nowhere: ['There is no such page.', 'Esta página no existe.'],
})

/** The pages, and what it takes to see each; within a tenant some are for nobody. */
const PAGES = [
  { path: '', word: 'overview', needs: 'desktop.see' },
  { path: 'desktops', word: 'desktops', needs: 'desktop.see' },
  { path: 'users', word: 'users', needs: 'user.see' },
  { path: 'nodes', word: 'nodes', needs: 'host.see', wide: true },
  { path: 'flavours', word: 'flavours', needs: 'flavour.see' },
  { path: 'images', word: 'images', needs: 'image.see' },
  { path: 'roll-outs', word: 'rollOuts', needs: 'job.see', wide: true },
  { path: 'configuration', word: 'configuration', needs: 'configuration.see', wide: true },
  { path: 'notices', word: 'notices', needs: 'notice.see', wide: true },
  { path: 'audit', word: 'audit', needs: 'audit.see' },
] as const

/** Navigation, and the page that the address names. */
export function Shell({ self }: { readonly self: Self }) {
  const place = usePlace()
  const main = useRef<HTMLElement>(null)
  const isShown = useRef(false)
  const here = place.path.join('/')
  useEffect(() => {
    // Who goes to another page by keyboard begins at its top; at first she is nowhere yet.
    if (isShown.current) main.current?.focus()
    isShown.current = true
  }, [here])
  const signOut = (): void =>
    void ask('DELETE /v1/session', {})
      .catch(() => {})
      .then(forgetPageKey)
  const pages = PAGES.filter(
    (page) => self.permissions.includes(page.needs) && !('wide' in page && self.tenant !== null),
  )
  return (
    <MayContext.Provider value={self}>
      <a class="skip" href={location.hash} onClick={() => main.current?.focus()}>
        {sayHere('skip')}
      </a>
      <div class="shell">
        <header class="bar">
          <strong>Ostler</strong>
          <span class="quiet">
            {self.name}, {self.role}
            {self.tenant !== null && `, ${self.tenant}`}
          </span>
          <Preferences />
          <button onClick={signOut}>{sayHere('signOut')}</button>
        </header>
        <nav aria-label={sayHere('navigation')}>
          <ul>
            {pages.map(({ path, word }) => (
              <li key={path}>
                <a href={hrefOf([path])} aria-current={(place.path[0] ?? '') === path ? 'page' : undefined}>
                  {say(word)}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <main ref={main} tabIndex={-1}>
          {pageAt(place)}
        </main>
      </div>
    </MayContext.Provider>
  )
}

function pageAt({ path: [page = '', name], query }: Place): ComponentChildren {
  switch (page) {
    case '':
      return <OverviewPage />
    case 'desktops':
      return name === undefined ? <Desktops query={query} /> : <DesktopPage key={name} name={name} />
    case 'users':
      return name === undefined ? (
        <Users query={query} />
      ) : (
        <UserPage key={name} login={name} tenant={query['tenant'] ?? ''} />
      )
    case 'nodes':
      return <Nodes query={query} />
    case 'flavours':
      return <Flavours query={query} />
    case 'images':
      return <Images query={query} />
    case 'roll-outs':
      return name === undefined ? (
        <RollOuts key={query['image'] ?? ''} image={query['image'] ?? ''} />
      ) : (
        <RollOut key={name} number={name} />
      )
    case 'configuration':
      return <Configuration />
    case 'notices':
      return <Notices />
    case 'audit':
      return <Audit />
    default:
      return <p>{sayHere('nowhere')}</p>
  }
}
