import { useEffect, useState } from 'preact/hooks'
import { phrases, timeText } from '../shared/language.ts'
import { type AnswerOf, ask, problemText } from './api.ts'
import { useLiveRows } from './live.ts'
import { Waiting } from './waiting.tsx'
import { say } from './words.ts'

const sayHere = phrases({
  action: ['What', 'Qué'],
  about: ['About', 'Sobre'],
  status: ['Outcome', 'Resultado'],
  older: ['Older ones', 'Anteriores'],
  said: ['said', 'dicho'],
  before: ['before', 'antes'],
  after: ['after', 'después'],
  details: ['Details', 'Detalles'],
})

type Line = AnswerOf<'GET /v1/audit'>[number]

/** Who did what: the newest as they come, older ones when they are asked for. */
export function Audit() {
  const newest = useAudit()
  const [older, setOlder] = useState<readonly Line[]>([])
  const [problem, setProblem] = useState('')
  // Where older ones are shown, those that are no longer among the newest stay: there would be a hole between.
  useEffect(
    () => setOlder((before) => (before.length === 0 ? before : together(newest.rows, before))),
    [newest.rows],
  )
  if (newest.rows.length === 0) return <Waiting trouble={newest.trouble} />
  const lines = together(newest.rows, older)
  const more = (): void =>
    void ask('GET /v1/audit', { query: { before: lines.at(-1)?.id } }).then(
      (found) => setOlder([...lines, ...found]),
      (error: unknown) => setProblem(problemText(error)),
    )
  return (
    <section class="list">
      <header>
        <h1>{say('audit')}</h1>
      </header>
      {problem !== '' && <p role="alert">{problem}</p>}
      <div class="scroller" tabIndex={0} role="region" aria-label={say('audit')}>
        <table class="tall">
          <thead>
            <tr>
              <th scope="col">{say('when')}</th>
              <th scope="col">{say('who')}</th>
              <th scope="col">{sayHere('action')}</th>
              <th scope="col">{sayHere('about')}</th>
              <th scope="col">{sayHere('status')}</th>
              <th scope="col">{sayHere('details')}</th>
            </tr>
          </thead>
          <tbody>
            {lines.map((line) => (
              <tr key={line.id}>
                <td>{timeText(line.at)}</td>
                <td>
                  {line.by}, {line.address}
                </td>
                <td>{line.action}</td>
                <td>{line.object}</td>
                <td>{line.fault ?? line.status}</td>
                <td>
                  <Details line={line} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        <button onClick={more}>{sayHere('older')}</button>
      </div>
    </section>
  )
}

/** Each line once, the newest first. */
function together(newest: readonly Line[], older: readonly Line[]): readonly Line[] {
  const known = new Map([...newest, ...older].map((line) => [line.id, line]))
  return [...known.values()].toSorted((a, b) => b.id - a.id)
}

function Details({ line }: { readonly line: Line }) {
  const parts = (['said', 'before', 'after'] as const).filter((key) => line[key] !== null)
  return (
    <details>
      <summary>{line.request}</summary>
      {parts.map((key) => (
        <p key={key}>
          {sayHere(key)} <code>{JSON.stringify(line[key])}</code>
        </p>
      ))}
    </details>
  )
}

function useAudit() {
  return useLiveRows('GET /v1/audit', { limit: 100 })
}
