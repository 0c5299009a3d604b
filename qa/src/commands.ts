import { ADMIN_OBJECTS, type AdminObject, type Explanation } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { ApiClient } from './api-client.ts'
import { table } from './table.ts'

export interface Console {
  /** One line on standard output. */
  print(line: string): void
  /** Everything on standard input. */
  readInput(): Promise<string>
}

const ACTIONS = ['list', 'add', 'start', 'stop', 'disconnect', 'explain'] as const
/** What QVD's `qa` and `qa4` call it. */
const DISCONNECT: readonly string[] = ['disconnect', 'disconnect_user']

/**
 * Runs one command in QVD's form: `qa OBJECT ACTION [key=value …] [-f name=NAME]`.
 * @throws Fault `client.choice` for a command that is none, or what the api says.
 */
export async function runCommand(words: readonly string[], api: ApiClient, out: Console): Promise<void> {
  const [object, action, ...rest] = words
  if (!isObject(object)) throw choice(`unknown object ${object ?? '(none)'}`, Object.keys(ADMIN_OBJECTS))
  if (action === 'list') return printList(object, api, out)
  if (action === 'add') return void (await add(object, rest, api, out))
  if (object === 'vm' && (action === 'start' || action === 'stop' || action === 'explain')) {
    const name = encodeURIComponent(nameFilter(rest))
    if (action === 'explain') return void printExplanation(await api.get(`/v1/desktops/${name}/explain`), out)
    await api.post(`/v1/desktops/${name}/wishes`, { kind: action === 'start' ? 'run' : 'stop' })
    return void out.print(`${action} asked for`)
  }
  if (object === 'vm' && DISCONNECT.includes(action ?? '')) {
    const name = encodeURIComponent(nameFilter(rest))
    const { was } = (await api.post(`/v1/desktops/${name}/disconnect`, {})) as { was: string }
    return void out.print(`disconnected: ${was}`)
  }
  throw choice(`unknown action ${action ?? '(none)'} for ${object}`, ACTIONS)
}

async function printList(object: AdminObject, api: ApiClient, out: Console): Promise<void> {
  const rows = (await api.get(ADMIN_OBJECTS[object].path)) as Record<string, unknown>[]
  for (const line of table(rows)) out.print(line)
}

async function add(
  object: AdminObject,
  words: readonly string[],
  api: ApiClient,
  out: Console,
): Promise<void> {
  const body = parsePairs(words)
  if (body['password'] === '-') body['password'] = (await out.readInput()).replace(/\r?\n$/, '')
  const answer = (await api.post(ADMIN_OBJECTS[object].path, body)) as { id: number }
  out.print(`${object} added with id ${answer.id}`)
}

function parsePairs(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const split = word.indexOf('=')
      if (split < 1) throw choice(`${word} is not key=value`, ['key=value'])
      return [word.slice(0, split), word.slice(split + 1)]
    }),
  )
}

/** The desktop that `-f name=NAME` names. */
function nameFilter(words: readonly string[]): string {
  const filter = words[0] === '-f' ? words[1] : undefined
  const name = /^name=(.+)$/.exec(filter ?? '')?.[1]
  if (name === undefined || words.length !== 2) throw choice('which desktop?', ['-f name=NAME'])
  return name
}

function printExplanation(answer: unknown, out: Console): void {
  const { name, state, fault, seat, wishes, timeline, hooks, log } = answer as Explanation
  out.print(`${name} is ${state}${fault === null ? '' : `: ${fault}`}`)
  if (seat !== null) out.print(`${seat.state} since ${seat.since}: ${seat.label} (door ${seat.door})`)
  const sections: readonly [string, readonly Readonly<Record<string, unknown>>[]][] = [
    ['wishes, newest first', wishes],
    ['last start', timeline],
    ['hooks, newest first', hooks],
    ['moves, newest first', log],
  ]
  for (const [title, rows] of sections) {
    out.print(`\n${title}:`)
    for (const line of table(rows)) out.print(`  ${line}`)
  }
}

function isObject(word: string | undefined): word is AdminObject {
  return word !== undefined && Object.hasOwn(ADMIN_OBJECTS, word)
}

function choice(problem: string, choices: readonly string[]): Fault {
  return new Fault('client.choice', { problem, choices: choices.join(', ') })
}
