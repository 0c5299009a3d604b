import { useState } from 'preact/hooks'
import { type DesktopListItem, problemText, signOut, stopDesktop } from './door.ts'
import { NativeClient } from './native-client.tsx'
import { NewDesktop } from './new-desktop.tsx'
import { PAIRING } from './pairing-place.ts'
import { phrases } from './shared/language.ts'
import { Preferences } from './shared/preferences.tsx'

const say = phrases({
  title: ['Your desktops', 'Sus escritorios'],
  applications: ['Your applications', 'Sus aplicaciones'],
  pair: ['Pair a device', 'Emparejar un dispositivo'],
  signOut: ['Sign out', 'Salir'],
  none: [
    'You have no desktop yet. An administrator can give you one.',
    'Todavía no tiene ningún escritorio. Un administrador puede darle uno.',
  ],
  stop: ['Stop', 'Detener'],
  restart: ['Restart', 'Reiniciar'],
  stopNamed: ['Stop {name}', 'Detener {name}'],
  restartNamed: ['Restart {name}', 'Reiniciar {name}'],
  sure: [
    'Programs in {name} end, and what was not saved is lost. Go on?',
    'Los programas de {name} terminan y lo que no se guardó se pierde. ¿Continuar?',
  ],
  stopping: ['Stopping {name} …', 'Deteniendo {name} …'],
})

const sayState = phrases({
  stopped: ['stopped', 'detenido'],
  starting: ['starting', 'iniciándose'],
  running: ['running', 'en marcha'],
  stopping: ['stopping', 'deteniéndose'],
  zombie: ['not responding', 'sin respuesta'],
  debugging: ['under repair', 'en reparación'],
  maintenance: ['under maintenance', 'en mantenimiento'],
})

interface Props {
  readonly login: string
  readonly desktops: readonly DesktopListItem[]
  readonly toMake: readonly string[]
  readonly onOpen: (desktop: DesktopListItem) => void
  readonly onChange: () => void
}

/** The user's desktops and published applications as tiles. */
export function DesktopList({ login, desktops, toMake, onOpen, onChange }: Props) {
  const [problem, setProblem] = useState('')
  const [busy, setBusy] = useState('')
  const act = (action: Promise<void>, then = onChange): void => {
    setProblem('')
    action
      .then(then)
      .catch((error: unknown) => setProblem(problemText(error)))
      .finally(() => setBusy(''))
  }
  const stop = (desktop: DesktopListItem, then?: () => void): void => {
    if (!confirm(say('sure', { name: desktop.name }))) return
    setBusy(say('stopping', { name: desktop.name }))
    act(stopDesktop(desktop.id), then)
  }
  const groups = [
    { title: say('title'), items: desktops.filter(({ is_application }) => is_application === 0) },
    { title: say('applications'), items: desktops.filter(({ is_application }) => is_application === 1) },
  ]
  return (
    <main class="page">
      <header>
        <h1>{say('title')}</h1>
        <span class="quiet">{login}</span>
        <Preferences />
        <a class="button" href={PAIRING}>
          {say('pair')}
        </a>
        <button onClick={() => act(signOut())}>{say('signOut')}</button>
      </header>
      {problem !== '' && <p role="alert">{problem}</p>}
      {busy !== '' && <p role="status">{busy}</p>}
      {desktops.length === 0 && toMake.length === 0 && <p class="quiet">{say('none')}</p>}
      {groups
        .filter(({ items }) => items.length > 0)
        .map(({ title, items }, at) => (
          <section key={title} aria-label={title}>
            {at > 0 && <h2>{title}</h2>}
            <ul class="tiles">
              {items.map((desktop) => (
                <li key={desktop.id}>
                  <button class="tile" disabled={desktop.blocked === 1} onClick={() => onOpen(desktop)}>
                    <strong>{desktop.name}</strong>
                    <span class={`state ${desktop.state}`}>
                      {sayState(desktop.blocked === 1 ? 'maintenance' : desktop.state)}
                    </span>
                  </button>
                  {desktop.state === 'running' && (
                    <div class="choice">
                      <button
                        class="small"
                        disabled={busy !== ''}
                        aria-label={say('stopNamed', { name: desktop.name })}
                        onClick={() => stop(desktop)}
                      >
                        {say('stop')}
                      </button>
                      <button
                        class="small"
                        disabled={busy !== ''}
                        aria-label={say('restartNamed', { name: desktop.name })}
                        onClick={() => stop(desktop, () => onOpen(desktop))}
                      >
                        {say('restart')}
                      </button>
                    </div>
                  )}
                </li>
              ))}
            </ul>
          </section>
        ))}
      {toMake.length > 0 && <NewDesktop flavours={toMake} onMade={onChange} />}
      {desktops.length > 0 && <NativeClient login={login} />}
    </main>
  )
}
