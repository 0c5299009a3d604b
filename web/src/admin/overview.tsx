import { lazy, Suspense } from 'preact/compat'
import { numberText, phrases, timeText } from '../shared/language.ts'
import type { AnswerOf } from './api.ts'
import { State } from './desktops.tsx'
import { useLive } from './live.ts'
import { hrefOf } from './place.ts'
import { Waiting } from './waiting.tsx'
import { say } from './words.ts'

const Plot = lazy(() => import('./plot.tsx').then(({ Plot: found }) => ({ default: found })))

const sayHere = phrases({
  sessions: ['At work', 'Trabajando'],
  sessionsHint: ['desktops at which somebody sits', 'escritorios en los que hay alguien'],
  starts: ['Starts in 24 hours', 'Inicios en 24 horas'],
  noStarts: ['Nothing was started.', 'No se inició nada.'],
  half: ['Half within', 'La mitad en menos de'],
  most: ['98 % within', 'El 98 % en menos de'],
  goal: ['The goal is 98 % within {seconds} s.', 'El objetivo es el 98 % en menos de {seconds} s.'],
  met: ['It is met.', 'Se cumple.'],
  missed: ['It is missed.', 'No se cumple.'],
  failures: ['Failures in 24 hours', 'Fallos en 24 horas'],
  noFailures: ['There were none.', 'No hubo ninguno.'],
  times: ['{count} times, last {when} at {desktop}', '{count} veces, la última {when} en {desktop}'],
  memory: ['{used} of {memory} MB', '{used} de {memory} MB'],
  blocked: ['{count} blocked', '{count} bloqueados'],
})

/** What is to be reached: 98 of a hundred starts within so many seconds. */
const GOAL_SECONDS = 15

type Overview = AnswerOf<'GET /v1/overview'>

/** How everything stands. */
export function OverviewPage() {
  const { value, trouble } = useLive('GET /v1/overview', {})
  if (value === undefined) return <Waiting trouble={trouble} />
  return (
    <article>
      <header>
        <h1>{say('overview')}</h1>
        {trouble !== undefined && <span role="status">{say('reconnecting')}</span>}
      </header>
      <ul class="figures">
        <li>
          <strong>{numberText(value.sessions)}</strong>
          <a href={hrefOf(['desktops'], { 'in.user_state': 'connected' })}>{sayHere('sessions')}</a>
          <span class="quiet">{sayHere('sessionsHint')}</span>
        </li>
        {value.desktops.map(({ state, count, blocked }) => (
          <li key={state}>
            <strong>{numberText(count)}</strong>
            <a href={hrefOf(['desktops'], { 'in.state': state })}>
              <State state={state} />
            </a>
            {blocked > 0 && <span class="quiet">{sayHere('blocked', { count: numberText(blocked) })}</span>}
          </li>
        ))}
      </ul>
      <div class="panels">
        <Starts starts={value.starts} hours={value.hours} />
        <Failures failures={value.failures} />
        {value.hosts.length > 0 && <Hosts hosts={value.hosts} />}
      </div>
    </article>
  )
}

function Starts({ starts, hours }: Pick<Overview, 'starts' | 'hours'>) {
  const { count, p50, p98 } = starts
  return (
    <section class="panel">
      <h2>{sayHere('starts')}</h2>
      {p50 === null || p98 === null ? (
        <p class="quiet">{sayHere('noStarts')}</p>
      ) : (
        <>
          <ul class="figures">
            <li>
              <strong>{numberText(count)}</strong>
            </li>
            <li>
              <strong>{numberText(p50, 1)} s</strong>
              {sayHere('half')}
            </li>
            <li>
              <strong>{numberText(p98, 1)} s</strong>
              {sayHere('most')}
            </li>
          </ul>
          <p class="quiet">
            {sayHere('goal', { seconds: GOAL_SECONDS })} {sayHere(p98 <= GOAL_SECONDS ? 'met' : 'missed')}
          </p>
          <Suspense fallback={<p>{say('loading')}</p>}>
            <Plot hours={hours} goal={GOAL_SECONDS} />
          </Suspense>
        </>
      )}
    </section>
  )
}

function Failures({ failures }: Pick<Overview, 'failures'>) {
  return (
    <section class="panel">
      <h2>{sayHere('failures')}</h2>
      {failures.length === 0 && <p class="quiet">{sayHere('noFailures')}</p>}
      <ul class="lines">
        {failures.map(({ code, text, count, last, desktop }) => (
          <li key={code}>
            <strong>{text}</strong>{' '}
            <a class="quiet" href={hrefOf(['desktops', desktop])}>
              {sayHere('times', { count: numberText(count), when: timeText(last), desktop })}
            </a>
          </li>
        ))}
      </ul>
    </section>
  )
}

function Hosts({ hosts }: Pick<Overview, 'hosts'>) {
  return (
    <section class="panel">
      <h2>{say('nodes')}</h2>
      <ul class="lines">
        {hosts.map(({ name, state, silent, blocked, desktops, memory, used }) => (
          <li key={name}>
            <a href={hrefOf(['desktops'], { filter: `host=${name}` })}>{name}</a>{' '}
            <State state={silent ? 'silent' : state} /> {blocked && say('blocked')}
            <span class="quiet">
              {' '}
              {say('desktops')}: {numberText(desktops)};{' '}
              {sayHere('memory', { used: numberText(used), memory: numberText(memory) })}
            </span>
            <meter aria-label={`${say('memory')} ${name}`} min={0} max={memory} value={used} />
          </li>
        ))}
      </ul>
    </section>
  )
}
