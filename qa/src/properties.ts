import type { PropertyOwner } from '@ostler/contract/admin-api.ts'
import { type BulkProperty, bulkPath } from '@ostler/contract/bulk.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { byFilter } from './bulk.ts'
import type { Action } from './commands.ts'
import type { Words } from './words.ts'

/**
 * `qa OBJECT propget [KEY …] | propset KEY=VALUE … | propdel KEY …`, of all that `-f` finds: what QVD's manual prints.
 * Without a filter they are shown of all, and changed of all only after a question or with `--force`.
 */
export function withProperties(
  object: PropertyOwner,
  { pairs }: Words,
): Record<'propget' | 'propset' | 'propdel', Action> {
  return {
    propget: async (words, api, out) => {
      const [filter, keys] = words[0] === '-f' ? [words[1] ?? '', words.slice(2)] : ['', words]
      requireBare(keys)
      const found = (await api.post(bulkPath(object, 'propget'), { filter, keys })) as BulkProperty[]
      for (const { name, key, value } of found) out.show(`${name}\t${key}=${value}`)
    },
    propset: byFilter(object, 'propset', undefined, async (words, out) => {
      const set = await pairs(words, out)
      if (Object.keys(set).length === 0) throw choice('which properties?', 'KEY=VALUE …')
      return { set }
    }),
    propdel: byFilter(object, 'propdel', undefined, (keys) => {
      requireBare(keys)
      if (keys.length === 0) throw choice('which properties?', 'KEY …')
      return { keys }
    }),
  }
}

/** @throws Fault `client.choice` for what is no key, such as a filter without its `-f`. */
function requireBare(keys: readonly string[]): void {
  const strange = keys.find((key) => key.includes('='))
  if (strange !== undefined) throw choice(`${strange} is no key`, '[-f FILTER] KEY …')
}

function choice(problem: string, choices: string): Fault {
  return new Fault('client.choice', { problem, choices })
}
