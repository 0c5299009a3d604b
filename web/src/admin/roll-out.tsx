import { numberText, phrases, timeText } from '../shared/language.ts'
import { ActButton } from './act-button.tsx'
import { type AnswerOf, ask } from './api.ts'
import { State } from './desktops.tsx'
import { useLive } from './live.ts'
import { useMay } from './may.ts'
import { hrefOf } from './place.ts'
import { Waiting } from './waiting.tsx'
import { say } from './words.ts'

const sayHere = phrases({
  title: ['Roll-out {number}', 'Despliegue {number}'],
  pause: ['Pause', 'Pausar'],
  resume: ['Go on', 'Continuar'],
  stop: ['Stop and roll back', 'Parar y revertir'],
  wave: ['Wave {number}', 'Ola {number}'],
  log: ['Log', 'Registro'],
  some: ['These are {count} of them.', 'Estos son {count} de ellos.'],
})

type Item = AnswerOf<'GET /v1/jobs/{number}'>['items'][number]

/** Desktops of a wave that are shown. */
const SHOWN = 100

/** One roll-out as it comes on: its waves, its log, and what can be ordered. */
export function RollOut({ number }: { readonly number: string }) {
  const { value, trouble } = useLive('GET /v1/jobs/{number}', { parts: { number } })
  const { may } = useMay()
  if (value === undefined) return <Waiting trouble={trouble} />
  const { state, progress, reason, items, log } = value
  const waves = Map.groupBy(items, ({ wave }) => wave)
  return (
    <article>
      <header>
        <h1>{sayHere('title', { number })}</h1>
        <State state={state} />
        <span role="status">
          {progress} {reason}
        </span>
      </header>
      {may('job.change') && (
        <div class="tools">
          <ActButton
            disabled={state !== 'running'}
            act={() => ask('POST /v1/jobs/{number}/pause', { parts: { number } })}
          >
            {sayHere('pause')}
          </ActButton>
          <ActButton
            disabled={state !== 'paused'}
            act={() => ask('POST /v1/jobs/{number}/resume', { parts: { number } })}
          >
            {sayHere('resume')}
          </ActButton>
          <ActButton
            disabled={state !== 'running' && state !== 'paused'}
            act={() => ask('POST /v1/jobs/{number}/stop', { parts: { number } })}
          >
            {sayHere('stop')}
          </ActButton>
        </div>
      )}
      <div class="panels">
        {[...waves].map(([wave, desktops]) => (
          <Wave key={wave} number={wave} desktops={desktops} />
        ))}
        <section class="panel">
          <h2>{sayHere('log')}</h2>
          <ul class="lines">
            {log.map((line) => (
              <li key={line.number}>
                <span class="quiet">{timeText(line.at)}</span> {line.text}
              </li>
            ))}
          </ul>
          <a href={hrefOf(['roll-outs'])}>{say('rollOuts')}</a>
        </section>
      </div>
    </article>
  )
}

/** A wave: how many desktops stand how, and some of them, those that failed first. */
function Wave({ number, desktops }: { readonly number: number; readonly desktops: readonly Item[] }) {
  const states = Map.groupBy(desktops, ({ state }) => state)
  const shown = desktops
    .toSorted((a, b) => Number(b.fault !== null) - Number(a.fault !== null))
    .slice(0, SHOWN)
  return (
    <section class="panel">
      <h2>{sayHere('wave', { number })}</h2>
      <p>
        {[...states].map(([state, { length }]) => (
          <span key={state} class="count">
            <State state={state} /> {numberText(length)}
          </span>
        ))}
      </p>
      <ul class="lines">
        {shown.map((item) => (
          <li key={item.vm}>
            <a href={hrefOf(['desktops', item.vm])}>{item.vm}</a> <State state={item.state} />
            {item.fault !== null && <span class="fault"> {item.fault}</span>}
          </li>
        ))}
      </ul>
      {desktops.length > SHOWN && <p class="quiet">{sayHere('some', { count: numberText(SHOWN) })}</p>}
    </section>
  )
}
