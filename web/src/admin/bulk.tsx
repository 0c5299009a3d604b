import { useState } from 'preact/hooks'
import { numberText, phrases } from '../shared/language.ts'
import { type AnswerOf, problemText } from './api.ts'
import { Dialog } from './dialog.tsx'
import type { Choice } from './list.tsx'
import { say } from './words.ts'

const sayHere = phrases({
  title: ['{action}: {count} in all', '{action}: {count} en total'],
  these: ['This is about {names}.', 'Se trata de {names}.'],
  more: ['{names} and {count} more', '{names} y {count} más'],
  done: ['Done: {count}.', 'Hecho: {count}.'],
  failed: ['Left as they are: {count}.', 'Sin cambios: {count}.'],
  nothing: ['Nothing is done yet.', 'Todavía no se ha hecho nada.'],
})

/** Names that are shown of what is to be changed. */
const SHOWN = 8
/** Numbers that one filter may name: it has an end. */
const PER_FILTER = 500

type Failures = AnswerOf<'POST /v1/desktops/bulk/stop'>['failures']

/** What is done to all that a filter finds, as the api has it. */
export interface BulkWay {
  readonly preview: (filter: string) => Promise<{ names: string[]; token: string }>
  readonly act: (filter: string, token: string) => Promise<{ done: number; failures: Failures }>
}

interface Previewed {
  readonly filter: string
  readonly names: readonly string[]
  readonly token: string
}

interface BulkButtonProps<T> {
  readonly title: string
  readonly choice: Choice<T>
  readonly way: BulkWay
  readonly onDone: () => void
}

/** Does something to what is chosen, after it was shown what that is: what the filter finds meanwhile is not touched. */
export function BulkButton<T extends { readonly id: number }>({
  title,
  choice,
  way,
  onDone,
}: BulkButtonProps<T>) {
  const [plan, setPlan] = useState<readonly Previewed[]>()
  const [problem, setProblem] = useState('')
  const [end, setEnd] = useState<{ done: number; failures: Failures }>()
  const [busy, setBusy] = useState(false)
  const close = (): void => {
    setPlan(undefined)
    setEnd(undefined)
    setProblem('')
    if (end !== undefined) onDone()
  }
  const during = (work: () => Promise<void>): void => {
    setBusy(true)
    setProblem('')
    work()
      .catch((error: unknown) => setProblem(problemText(error)))
      .finally(() => setBusy(false))
  }
  const preview = (): void =>
    during(async () => {
      setPlan([])
      setPlan(
        await Promise.all(
          filtersOf(choice).map(async (filter) => ({ filter, ...(await way.preview(filter)) })),
        ),
      )
    })
  const act = (previewed: readonly Previewed[]): void =>
    during(async () => {
      const all = { done: 0, failures: [] as Failures }
      for (const { filter, token } of previewed) {
        const { done, failures } = await way.act(filter, token)
        all.done += done
        all.failures.push(...failures)
      }
      setEnd(all)
    })
  const names = plan?.flatMap((each) => each.names) ?? []
  return (
    <>
      <button disabled={choice.count === 0} onClick={preview}>
        {title}
      </button>
      {plan !== undefined && (
        <Dialog title={sayHere('title', { action: title, count: numberText(names.length) })} onClose={close}>
          {end === undefined ? (
            <p>
              {sayHere('these', { names: namesText(names) })} {sayHere('nothing')}
            </p>
          ) : (
            <Outcome {...end} />
          )}
          {problem !== '' && <p role="alert">{problem}</p>}
          <div class="choice">
            {end === undefined && (
              <button class="main" disabled={busy || names.length === 0} onClick={() => act(plan)}>
                {busy ? say('working') : title}
              </button>
            )}
            <button onClick={close}>{end === undefined ? say('cancel') : say('close')}</button>
          </div>
        </Dialog>
      )}
    </>
  )
}

function Outcome({ done, failures }: { readonly done: number; readonly failures: Failures }) {
  return (
    <div role="status">
      <p>{sayHere('done', { count: numberText(done) })}</p>
      {failures.length > 0 && <p>{sayHere('failed', { count: numberText(failures.length) })}</p>}
      <ul>
        {failures.map(({ name, text }) => (
          <li key={name}>
            <strong>{name}</strong> {text}
          </li>
        ))}
      </ul>
    </div>
  )
}

function namesText(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN).join(', ')
  return names.length <= SHOWN
    ? shown
    : sayHere('more', { names: shown, count: numberText(names.length - SHOWN) })
}

/** The filters that find what is chosen. */
function filtersOf({ rows, filter }: Choice<{ readonly id: number }>): readonly string[] {
  if (rows === undefined) return [filter]
  const parts = Array.from({ length: Math.ceil(rows.length / PER_FILTER) }, (_, at) =>
    rows.slice(at * PER_FILTER, (at + 1) * PER_FILTER),
  )
  return parts.map((part) => `id=${part.map(({ id }) => id).join('|')}`)
}

/** Does something to each of what is chosen, one after the other; for what there is no way at once. Only rows can be chosen. */
export function eachOf<T extends { readonly id: number }>(
  rows: readonly T[],
  nameOf: (row: T) => string,
  act: (row: T) => Promise<unknown>,
): BulkWay {
  return {
    preview: () => Promise.resolve({ names: rows.map(nameOf), token: '' }),
    act: async () => {
      const failures: Failures = []
      for (const row of rows)
        await act(row).catch((error: unknown) => {
          failures.push({ name: nameOf(row), fault: '', text: problemText(error) })
        })
      return { done: rows.length - failures.length, failures }
    },
  }
}
