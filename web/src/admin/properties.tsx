import type { ComponentChildren } from 'preact'
import { useCallback, useEffect, useState } from 'preact/hooks'
import { phrases } from '../shared/language.ts'
import { type AnswerOf, ask, problemText } from './api.ts'
import { Dialog } from './dialog.tsx'
import { say } from './words.ts'

const sayHere = phrases({
  title: ['Properties of {name}', 'Propiedades de {name}'],
  heading: ['Properties', 'Propiedades'],
  none: ['There are none.', 'No hay ninguna.'],
  removeOf: ['Remove {key}', 'Quitar {key}'],
})

interface Owned {
  /** Where it is in the api. */
  readonly owner: 'flavours' | 'images' | 'users' | 'desktops'
  readonly name: string
  /** Of a user. */
  readonly tenant?: string
  readonly mayChange: boolean
}

/** For a list whose rows have no page of their own. */
interface NamedProperties {
  /** The name of a row, which opens its properties. */
  readonly nameCell: (row: { readonly name: string }) => ComponentChildren
  /** The dialog, while one is open. It stands beside the list: a row may go while it is read. */
  readonly dialog: ComponentChildren
}

/** Names that open the properties of what they name. */
export function useNamedProperties(owner: Owned['owner'], mayChange: boolean): NamedProperties {
  const [name, setName] = useState<string>()
  return {
    nameCell: (row) => (
      <button class="plain" onClick={() => setName(row.name)}>
        {row.name}
      </button>
    ),
    dialog: name !== undefined && (
      <Properties {...{ owner, name, mayChange }} onClose={() => setName(undefined)} />
    ),
  }
}

/** Properties, which become parameters of sessions, in a dialog. */
function Properties(owned: Owned & { readonly onClose: () => void }) {
  return (
    <Dialog title={sayHere('title', { name: owned.name })} onClose={owned.onClose}>
      <PropertyTable {...owned} />
      <button onClick={owned.onClose}>{say('close')}</button>
    </Dialog>
  )
}

/** The same as a part of a page. */
export function PropertySection(owned: Owned) {
  return (
    <section class="panel">
      <h2>{sayHere('heading')}</h2>
      <PropertyTable {...owned} />
    </section>
  )
}

function PropertyTable({ owner, name, tenant, mayChange }: Owned) {
  const [rows, setRows] = useState<AnswerOf<'GET /v1/users/{name}/properties'>>([])
  const [problem, setProblem] = useState('')
  const parts = { name }
  const said = tenant === undefined || tenant === '' ? {} : { tenant }
  const look = useCallback(() => {
    setProblem('')
    ask(`GET /v1/${owner}/{name}/properties`, { parts, query: said })
      .then(setRows)
      .catch((error: unknown) => setProblem(problemText(error)))
  }, [owner, name, tenant])
  useEffect(look, [look])
  const change = (work: Promise<unknown>): void =>
    void work.then(look).catch((error: unknown) => setProblem(problemText(error)))
  const set = (event: SubmitEvent): void => {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    const data = new FormData(form)
    const pair = { [data.get('key') as string]: data.get('value') as string }
    change(
      ask(`POST /v1/${owner}/{name}/properties`, { parts, body: { ...said, set: pair } }).then(() =>
        form.reset(),
      ),
    )
  }
  return (
    <>
      {rows.length === 0 && <p class="quiet">{sayHere('none')}</p>}
      <dl class="pairs">
        {rows.map(({ key, value }) => (
          <div key={key}>
            <dt>{key}</dt>
            <dd>{value}</dd>
            {mayChange && (
              <button
                aria-label={sayHere('removeOf', { key })}
                onClick={() =>
                  change(
                    ask(`DELETE /v1/${owner}/{name}/properties`, { parts, query: { ...said, key: [key] } }),
                  )
                }
              >
                {say('remove')}
              </button>
            )}
          </div>
        ))}
      </dl>
      {mayChange && (
        <form class="row" onSubmit={set}>
          <label>
            {say('key')}
            <input name="key" required spellcheck={false} />
          </label>
          <label>
            {say('value')}
            <input name="value" spellcheck={false} />
          </label>
          <button>{say('save')}</button>
        </form>
      )}
      {problem !== '' && <p role="alert">{problem}</p>}
    </>
  )
}
