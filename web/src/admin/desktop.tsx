import type { Explanation } from '@ostler/contract/admin-api.ts'
import { lazy, Suspense } from 'preact/compat'
import { useState } from 'preact/hooks'
import { numberText, phrases, timeText } from '../shared/language.ts'
import { stepText } from '../shared/steps.ts'
import { ActButton } from './act-button.tsx'
import { ask } from './api.ts'
import { type Desktop, State } from './desktops.tsx'
import { useAsked, useLive } from './live.ts'
import { useMay } from './may.ts'
import { hrefOf } from './place.ts'
import { Waiting } from './waiting.tsx'
import { PropertySection } from './properties.tsx'
import { say, stateText } from './words.ts'

// xterm.js and noVNC are larger than everything else together.
const Console = lazy(() => import('./console.tsx').then(({ Console: found }) => ({ default: found })))
const SupportView = lazy(() =>
  import('./support-view.tsx').then(({ SupportView: found }) => ({ default: found })),
)

const sayHere = phrases({
  why: ['Why it is so', 'Por qué está así'],
  timeline: ['Last start', 'Último inicio'],
  noStart: ['It was never started.', 'Nunca se ha iniciado.'],
  wishes: ['Wishes', 'Peticiones'],
  facts: ['Facts', 'Datos'],
  log: ['Log', 'Registro'],
  homes: ['Homes', 'Carpetas personales'],
  noHomes: ['There is no home yet.', 'Todavía no hay carpeta personal.'],
  shell: ['Shell', 'Consola'],
  serial: ['Serial line', 'Línea serie'],
  support: ['Look on', 'Ver la sesión'],
  seat: ['{label}, since {since}', '{label}, desde {since}'],
  nobody: ['nobody', 'nadie'],
  runs: ['Runs', 'Ejecuta'],
  next: ['Next start', 'Próximo inicio'],
  soft: ['Asked to end', 'Se pide terminar'],
  hard: ['Ended', 'Se termina'],
  hypervisor: ['Run by', 'Ejecutado por'],
  open: ['open', 'abierta'],
  hooks: ['Hooks', 'Ganchos'],
  noHooks: ['None was called.', 'No se llamó a ninguno.'],
  hookEnd: ['ended with {exit} after {ms} ms', 'terminó con {exit} tras {ms} ms'],
  hookCut: ['did not run to its end, {ms} ms', 'no llegó a su fin, {ms} ms'],
  console: ['What the last boot that failed has said', 'Lo que dijo el último arranque fallido'],
})

type Opened = 'console' | 'serial' | 'support'

/** One desktop: what it does and why, its last start, what it was asked, its properties and homes, and a way into it. */
export function DesktopPage({ name }: { readonly name: string }) {
  const { value, trouble } = useLive('GET /v1/desktops/{name}/explain', { parts: { name } })
  const row = useAsked('GET /v1/desktops/{name}', { parts: { name } }, value).value
  const { may } = useMay()
  const [opened, setOpened] = useState<Opened>()
  const found = value as Explanation | undefined
  if (found === undefined) return <Waiting trouble={trouble} />
  const wish = (kind: 'run' | 'stop' | 'reset') => (): Promise<unknown> =>
    ask('POST /v1/desktops/{name}/wishes', { parts: { name }, body: { kind, reason: 'pages' } })
  const block = (blocked: boolean) => (): Promise<unknown> =>
    ask('POST /v1/desktops/{name}/blocked', { parts: { name }, body: { blocked } })
  const isRunning = found.state === 'running'
  return (
    <article>
      <header>
        <h1>{name}</h1>
        <State state={found.state} />
        {trouble !== undefined && <span role="status">{say('reconnecting')}</span>}
      </header>
      <div class="tools">
        {may('desktop.run') && (
          <>
            <ActButton act={wish('run')}>{say('start')}</ActButton>
            <ActButton act={wish('stop')}>{say('stop')}</ActButton>
            <ActButton act={wish('reset')}>{say('reset')}</ActButton>
            <ActButton
              disabled={found.seat === null}
              act={() => ask('POST /v1/desktops/{name}/disconnect', { parts: { name } })}
            >
              {say('disconnect')}
            </ActButton>
          </>
        )}
        {may('desktop.change') && row !== undefined && (
          <ActButton act={block(!row.blocked)}>{say(row.blocked ? 'unblock' : 'block')}</ActButton>
        )}
        {may('desktop.enter') && (
          <>
            <button disabled={!isRunning} onClick={() => setOpened('console')}>
              {sayHere('shell')}
            </button>
            {found.hypervisor === 'kvm' && (
              <button onClick={() => setOpened('serial')}>{sayHere('serial')}</button>
            )}
            <button disabled={!isRunning} onClick={() => setOpened('support')}>
              {sayHere('support')}
            </button>
          </>
        )}
      </div>
      {opened !== undefined && (
        <Suspense fallback={<p>{say('loading')}</p>}>
          {opened === 'support' ? (
            <SupportView desktop={name} onClose={() => setOpened(undefined)} />
          ) : (
            <Console key={opened} desktop={name} kind={opened} onClose={() => setOpened(undefined)} />
          )}
        </Suspense>
      )}
      <section class="panel" aria-live="polite">
        <h2>{sayHere('why')}</h2>
        {found.because.map((line) => (
          <p key={line}>{line}</p>
        ))}
        {found.warning !== null && <p role="alert">{found.warning}</p>}
      </section>
      <div class="panels">
        <Start timeline={found.timeline} />
        <Facts found={found} />
        <Wishes wishes={found.wishes} />
        {may('desktop.see') && row !== undefined && (
          <PropertySection owner="desktops" name={name} mayChange={may('desktop.change')} />
        )}
        {may('home.see') && row !== undefined && <Homes of={row} />}
        <Hooks hooks={found.hooks} />
        <Log log={found.log} />
      </div>
      {found.console !== null && (
        <section class="panel">
          <h2>{sayHere('console')}</h2>
          <p class="quiet">{timeText(found.console.at)}</p>
          <pre tabIndex={0}>{found.console.said}</pre>
        </section>
      )}
    </article>
  )
}

/** The steps of the last start, and when each was reached since the first. */
function Start({ timeline }: Pick<Explanation, 'timeline'>) {
  const began = Date.parse(timeline[0]?.at ?? '')
  return (
    <section class="panel">
      <h2>{sayHere('timeline')}</h2>
      {timeline.length === 0 ? (
        <p class="quiet">{sayHere('noStart')}</p>
      ) : (
        <ol class="timeline">
          {timeline.map(({ step, at }) => (
            <li key={step}>
              <span>{stepText(step)}</span>
              <span class="quiet" title={timeText(at)}>
                {numberText((Date.parse(at) - began) / 1_000, 1)} s
              </span>
            </li>
          ))}
        </ol>
      )}
    </section>
  )
}

function Facts({ found }: { readonly found: Explanation }) {
  const { seat, image, expires, hypervisor } = found
  const facts = [
    [
      say('session'),
      seat === null ? sayHere('nobody') : sayHere('seat', { label: seat.label, since: timeText(seat.since) }),
    ],
    [sayHere('runs'), image.running ?? '–'],
    [sayHere('next'), `${image.next ?? '–'} (${image.tag})`],
    [sayHere('soft'), timeText(expires.soft)],
    [sayHere('hard'), timeText(expires.hard)],
    [sayHere('hypervisor'), hypervisor ?? '–'],
  ] as const
  return (
    <section class="panel">
      <h2>{sayHere('facts')}</h2>
      <dl class="pairs">
        {facts.map(([key, value]) => (
          <div key={key}>
            <dt>{key}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

function Wishes({ wishes }: Pick<Explanation, 'wishes'>) {
  return (
    <section class="panel">
      <h2>{sayHere('wishes')}</h2>
      <ul class="lines">
        {wishes.map((wish) => (
          <li key={`${wish.at} ${wish.kind}`}>
            <strong>{wish.kind}</strong> {wish.by}: {wish.reason}
            <span class="quiet">
              {' '}
              {timeText(wish.at)} – {wish.outcome ?? sayHere('open')}
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}

function Homes({ of }: { readonly of: Desktop }) {
  const filter = `user=${of.user},osf=${of.osf},tenant=${of.tenant}`
  const { value: rows } = useAsked('GET /v1/homes', { query: { filter, limit: 50 } }, of)
  return (
    <section class="panel">
      <h2>{sayHere('homes')}</h2>
      {rows?.length === 0 && <p class="quiet">{sayHere('noHomes')}</p>}
      <ul class="lines">
        {rows?.map((home) => (
          <li key={home.id}>
            <strong>{home.path}</strong> {home.kind}, {home.state}
            {home.host !== null && `, ${home.host}`}
            {home.trouble !== null && <span role="alert"> {home.trouble}</span>}
          </li>
        ))}
      </ul>
    </section>
  )
}

/** What became of the hooks in the desktop, the last one first. */
function Hooks({ hooks }: Pick<Explanation, 'hooks'>) {
  return (
    <section class="panel">
      <h2>{sayHere('hooks')}</h2>
      {hooks.length === 0 && <p class="quiet">{sayHere('noHooks')}</p>}
      <ul class="lines">
        {hooks.map(({ at, hook, exit, ms, said }) => (
          <li key={`${at} ${hook}`}>
            <span class="quiet">{timeText(at)}</span> <strong>{hook}</strong>{' '}
            <span class={exit === 0 ? 'quiet' : 'fault'}>
              {exit === null
                ? sayHere('hookCut', { ms: numberText(ms) })
                : sayHere('hookEnd', { exit, ms: numberText(ms) })}
            </span>{' '}
            {said}
          </li>
        ))}
      </ul>
    </section>
  )
}

function Log({ log }: Pick<Explanation, 'log'>) {
  return (
    <section class="panel">
      <h2>{sayHere('log')}</h2>
      <ul class="lines">
        {log.map(({ at, prior, state, fault }) => (
          <li key={`${at} ${state}`}>
            <span class="quiet">{timeText(at)}</span> {stateText(prior)} → {stateText(state)}
            {fault !== null && <span class="fault"> {fault}</span>}
          </li>
        ))}
      </ul>
      <a href={hrefOf(['audit'])}>{say('audit')}</a>
    </section>
  )
}
