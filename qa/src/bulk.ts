import { type BulkDone, type BulkFound, type BulkKind, bulkPath } from '@ostler/contract/bulk.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { namesOne, parseFilter } from '@ostler/contract/filter.ts'
import type { ApiClient } from './api-client.ts'
import type { Action, CommandConsole } from './commands.ts'

/** What is said after it was done to so many, in QVD's words. */
const SAID = {
  start: (count: number) => `Started ${count} VMs.`,
  stop: (count: number) => `Stopped ${count} VMs.`,
  reset: (count: number) => `Reset ${count} VMs.`,
  disconnect: (count: number) => `Disconnected ${count} users.`,
  block: (count: number, what: string) => `Blocked ${count} ${what}.`,
  unblock: (count: number, what: string) => `Unblocked ${count} ${what}.`,
  edit: (count: number, what: string) => `Edited ${count} ${what}.`,
  del: (count: number, what: string) => `${count} ${what} deleted.`,
  propset: (count: number, what: string) => `propset in ${count} ${what}.`,
  propdel: (count: number, what: string) => `propdel in ${count} ${what}.`,
} as const
export type BulkWord = keyof typeof SAID

const PLURALS = { vm: 'VMs', user: 'users', host: 'hosts', osf: 'OSFs', di: 'DIs' } as const

/** What is asked before it is done to all that there is. */
function questionOf(word: BulkWord, what: string, count: number): string {
  if (word === 'propdel') return `Are you sure you want to delete the prop in all ${what}? [y/N] `
  return `Are you sure you want to ${word} all ${count} ${what}? [y/N] `
}

/**
 * An action that is done to one thing, or to all that a filter finds: to one where the filter is its name alone, as before; else
 * to all of them, and without any filter only after a question or with `--force`.
 * @param one how it is done to one; missing: as to several.
 * @param change reads what else it takes.
 * @param key by which one is named.
 */
export function byFilter(
  kind: BulkKind,
  word: BulkWord,
  one?: Action,
  change?: (
    words: readonly string[],
    out: CommandConsole,
  ) => Readonly<Record<string, unknown>> | Promise<Readonly<Record<string, unknown>>>,
  key: 'login' | 'name' | 'id' = kind === 'user' ? 'login' : 'name',
): Action {
  return async (words, api, out) => {
    const filter = words[0] === '-f' ? words[1] : undefined
    const more = words.slice(filter === undefined ? 0 : 2)
    if (filter !== undefined && isOfOne(filter, key) && one !== undefined)
      return void (await one(words, api, out))
    const isAsked = filter !== undefined || out.options.force || out.confirm !== undefined
    if (!isAsked) throw choice('which ones?', `-f ${key}=…, --force`)
    if (change === undefined && more.length > 0) throw choice(`it takes no ${more.join(' ')}`, `-f ${key}=…`)
    const changed = change === undefined ? {} : await change(more, out)
    await actOnAll(kind, word, { filter: filter ?? '', changed }, api, out)
  }
}

/** `name=x`, or for users also `login=x,tenant=y`. */
function isOfOne(filter: string, key: string): boolean {
  const bare = key === 'login' ? filter.replace(/(^|,)tenant=[^,*?]+(?=,|$)/, '').replace(/^,/, '') : filter
  try {
    if (parseFilter(bare).some(({ values }) => values.includes(''))) throw new Error('a value is empty')
    return namesOne(bare, key) !== undefined
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('client.choice', { problem: `${filter}: ${reason}`, choices: `-f ${key}=…` }, { cause })
  }
}

async function actOnAll(
  kind: BulkKind,
  word: BulkWord,
  { filter, changed }: { filter: string; changed: object },
  api: ApiClient,
  out: CommandConsole,
): Promise<void> {
  const what = PLURALS[kind]
  const { names, token } = (await api.post(bulkPath(kind), { filter })) as BulkFound
  if (filter === '' && !out.options.force) {
    const isMeant = await out.confirm?.(questionOf(word, what, names.length))
    if (isMeant !== true) return void out.print('Aborted.')
  }
  const { done, failures } = (await api.post(bulkPath(kind, word), { filter, token, ...changed })) as BulkDone
  for (const { name, text } of failures) out.print(`${name}: ${text}`)
  out.print(SAID[word](done, what))
  const [first] = failures
  if (first !== undefined)
    throw new Fault('bulk.partial', { count: failures.length, name: first.name, reason: first.text })
}

function choice(problem: string, choices: string): Fault {
  return new Fault('client.choice', { problem, choices })
}
