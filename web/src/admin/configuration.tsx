import { useState } from 'preact/hooks'
import { phrases } from '../shared/language.ts'
import { type AnswerOf, ask, problemText } from './api.ts'
import { FormDialog } from './dialog.tsx'
import { useAsked, useLiveRows } from './live.ts'
import { useMay } from './may.ts'
import { Waiting } from './waiting.tsx'
import { say } from './words.ts'

const sayHere = phrases({
  origin: ['From', 'Procede de'],
  search: ['Search', 'Buscar'],
  only: ['Only what somebody has set', 'Solo lo que alguien ha fijado'],
  set: ['Set a key', 'Fijar una clave'],
  change: ['Change {key}', 'Cambiar {key}'],
  back: ['Remove {key}', 'Quitar {key}'],
  now: ['It counts at once.', 'Vale desde ahora.'],
  restart: ['It counts when these are started again: {services}.', 'Vale cuando se reinicien: {services}.'],
  findings: ['Not used as they stand', 'No se usan tal como están'],
})

type Change = AnswerOf<'POST /v1/configuration'>

/** What a change takes to count, in words. */
function changeText({ restart, notes }: Change): string {
  const services = [...new Set(Object.values(restart).flat())]
  const when = services.length === 0 ? sayHere('now') : sayHere('restart', { services: services.join(', ') })
  return [when, ...notes].join(' ')
}

/** The configuration that holds, where each value comes from, and what is set and not used. */
export function Configuration() {
  const { rows, ready, trouble } = useLiveRows('GET /v1/configuration', {})
  const findings = useAsked('GET /v1/configuration/findings', {}, rows).value ?? []
  const { may } = useMay()
  const [search, setSearch] = useState('')
  const [isOnlySet, setOnlySet] = useState(true)
  const [editing, setEditing] = useState<{ key: string; value: string }>()
  const [said, setSaid] = useState('')
  if (!ready) return <Waiting trouble={trouble} />
  const shown = rows.filter(
    ({ key, origin }) => key.includes(search.trim()) && !(isOnlySet && origin === 'default'),
  )
  const remove = (key: string): void =>
    void ask('DELETE /v1/configuration', { query: { key: [key] } }).then(
      (change) => setSaid(changeText(change)),
      (error: unknown) => setSaid(problemText(error)),
    )
  return (
    <section class="list">
      <header>
        <h1>{say('configuration')}</h1>
        {may('configuration.change') && (
          <button class="main" onClick={() => setEditing({ key: '', value: '' })}>
            {sayHere('set')}
          </button>
        )}
      </header>
      <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
        <label>
          {sayHere('search')}
          <input type="search" value={search} onInput={(event) => setSearch(event.currentTarget.value)} />
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={isOnlySet}
            onChange={(event) => setOnlySet(event.currentTarget.checked)}
          />
          {sayHere('only')}
        </label>
      </form>
      <p role="status">{said}</p>
      {findings.length > 0 && (
        <section class="panel">
          <h2>{sayHere('findings')}</h2>
          <ul class="lines">
            {findings.map(({ keys, text }) => (
              <li key={text}>
                {text} <span class="quiet">{keys.join(', ')}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      <div class="scroller" tabIndex={0} role="region" aria-label={say('configuration')}>
        <table>
          <thead>
            <tr>
              <th scope="col">{say('key')}</th>
              <th scope="col">{say('value')}</th>
              <th scope="col">{sayHere('origin')}</th>
              <td />
            </tr>
          </thead>
          <tbody>
            {shown.map(({ key, value: held, origin }) => (
              <tr key={key}>
                <td>{key}</td>
                <td>{held}</td>
                <td>{origin}</td>
                <td>
                  {may('configuration.change') && (
                    <button
                      aria-label={sayHere('change', { key })}
                      onClick={() => setEditing({ key, value: held === '***' ? '' : held })}
                    >
                      ✎
                    </button>
                  )}
                  {may('configuration.change') && origin === 'database' && (
                    <button aria-label={sayHere('back', { key })} onClick={() => remove(key)}>
                      ✕
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {editing !== undefined && (
        <FormDialog
          title={editing.key === '' ? sayHere('set') : sayHere('change', { key: editing.key })}
          action={say('save')}
          fields={[
            { name: 'key', label: say('key'), value: editing.key, required: true },
            { name: 'value', label: say('value'), value: editing.value },
          ]}
          onClose={() => setEditing(undefined)}
          onSubmit={async ({ key = '', value: wanted = '' }) => {
            setSaid(changeText(await ask('POST /v1/configuration', { body: { set: { [key]: wanted } } })))
          }}
        />
      )}
    </section>
  )
}
