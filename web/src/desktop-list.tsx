import { useState } from 'preact/hooks'
import { type DesktopListItem, signOut, stopDesktop } from './door.ts'
import { PAIRING } from './pairing-place.ts'

interface Props {
  readonly login: string
  readonly desktops: readonly DesktopListItem[]
  readonly onOpen: (desktop: DesktopListItem) => void
  readonly onChange: () => void
}

/** The user's desktops as tiles. */
export function DesktopList({ login, desktops, onOpen, onChange }: Props) {
  const [problem, setProblem] = useState('')
  const act = (action: Promise<void>): void => {
    setProblem('')
    action.then(onChange).catch((error: unknown) => setProblem(String(error)))
  }
  return (
    <main class="page">
      <header>
        <h1>Your desktops</h1>
        <span class="quiet">{login}</span>
        <a class="button" href={PAIRING}>
          Pair a device
        </a>
        <button onClick={() => act(signOut())}>Sign out</button>
      </header>
      {problem !== '' && <p role="alert">{problem}</p>}
      {desktops.length === 0 && (
        <p class="quiet">You have no desktop yet. An administrator can give you one.</p>
      )}
      <ul class="tiles">
        {desktops.map((desktop) => (
          <li key={desktop.id}>
            <button class="tile" disabled={desktop.blocked === 1} onClick={() => onOpen(desktop)}>
              <strong>{desktop.name}</strong>
              <span class={`state ${desktop.state}`}>
                {desktop.blocked === 1 ? 'under maintenance' : desktop.state}
              </span>
            </button>
            {desktop.state === 'running' && (
              <button class="small" onClick={() => act(stopDesktop(desktop.id))}>
                Stop
              </button>
            )}
          </li>
        ))}
      </ul>
    </main>
  )
}
