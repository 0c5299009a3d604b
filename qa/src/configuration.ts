import { CONFIGURATION_PATH } from '@ostler/contract/admin-api.ts'
import {
  type ConfigurationChange,
  type ConfigurationEntry,
  type ConfigurationFinding,
  FINDINGS_PATH,
  IMPORT_PATH,
  type ImportAnswer,
} from '@ostler/contract/configuration-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { ApiClient } from './api-client.ts'
import type { Console } from './commands.ts'
import { readText } from './read-text.ts'
import { table } from './table.ts'

/** `qa config list [tenant=NAME]`: every key with its value, and where that comes from. */
export async function listConfiguration(
  words: readonly string[],
  api: ApiClient,
  out: Console,
): Promise<void> {
  const [word = '', ...more] = words
  if (more.length > 0 || (word !== '' && !/^tenant=./.test(word)))
    throw choice(`list does not take ${words.join(' ')}`, ['tenant=NAME'])
  const query =
    word === '' ? '' : `?${new URLSearchParams({ tenant: word.slice('tenant='.length) }).toString()}`
  const entries = (await api.get(`${CONFIGURATION_PATH}${query}`)) as ConfigurationEntry[]
  for (const line of table(entries.map(({ key, value, origin }) => ({ key, value, origin })))) out.print(line)
}

/** Says after a change what does not count at once, and what is only kept. */
export function printChange(answer: unknown, out: Console): void {
  const { restart = {}, notes = [] } = answer as Partial<ConfigurationChange>
  for (const [key, services] of Object.entries(restart))
    out.print(
      `${key} counts once ${services.map((name) => `ostler-${name}`).join(' and ')} ${services.length > 1 ? 'start' : 'starts'} again`,
    )
  for (const note of notes) out.print(`note: ${note}`)
}

/** `qa config doctor`: keys that are set and that nothing here takes as they stand. */
export async function examineConfiguration(
  words: readonly string[],
  api: ApiClient,
  out: Console,
): Promise<void> {
  if (words.length > 0) throw choice(`doctor takes nothing, not ${words.join(' ')}`, ['doctor'])
  const findings = (await api.get(FINDINGS_PATH)) as ConfigurationFinding[]
  for (const { kind, keys, text } of findings) out.print(`${kind}: ${keys.join(', ')}: ${text}`)
  if (findings.length === 0) out.print('Every key that is set is used.')
}

const FORM = 'FILE|- [tenant.NUMBER=NAME …] [--apply]'

/**
 * `qa config import FILE`: says what becomes of each key of a QVD's `node.conf` or of a dump of its table; with `--apply` it
 * is done.
 * @throws Fault `client.choice` when the file cannot be read, or what the api says.
 */
export async function importConfiguration(
  words: readonly string[],
  api: ApiClient,
  out: Console,
): Promise<void> {
  const apply = words.includes('--apply')
  const [file, ...rest] = words.filter((word) => word !== '--apply')
  if (file === undefined) throw choice('which file?', [FORM])
  const tenants = Object.fromEntries(
    rest.map((word) => {
      const [, number, name] = /^tenant\.(\d+)=(.+)$/.exec(word) ?? []
      if (number === undefined || name === undefined) throw choice(`${word} names no tenant`, [FORM])
      return [number, name]
    }),
  )
  const text = file === '-' ? await out.readInput() : readText(file, FORM)
  const answer = (await api.post(IMPORT_PATH, { text, tenants, apply })) as ImportAnswer
  for (const { key, tenant, kind, text: why } of answer.keys)
    out.print(`${kind.padEnd(8)}  ${key}${tenant === null ? '' : ` (tenant ${tenant})`}: ${why}`)
  const left = answer.keys.filter(({ kind }) => ['file', 'ssl', 'refused'].includes(kind)).length
  const [stored, what] = [`${answer.stored} config entries`, `${left} left out`]
  out.print(answer.applied ? `${stored} set, ${what}.` : `${stored} would be set, ${what}: add --apply.`)
}

function choice(problem: string, choices: readonly string[]): Fault {
  return new Fault('client.choice', { problem, choices: choices.join(', ') })
}
