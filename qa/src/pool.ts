import { POOLS_PATH } from '@ostler/contract/pools.ts'
import type { Action } from './commands.ts'
import { table } from './table.ts'
import type { Words } from './words.ts'

/** `qa pool …`: kinds of desktops that are given to whoever comes (docs/pools.md). */
export function poolActions({ named, pairs }: Words): Readonly<Record<string, Action>> {
  const path = (name: string): string => `${POOLS_PATH}/${encodeURIComponent(name)}`
  return {
    list: async (words, api, out) => {
      named(words, [])
      for (const line of table((await api.get(POOLS_PATH)) as Record<string, unknown>[])) out.print(line)
    },
    add: async (words, api, out) => {
      const { id } = (await api.post(POOLS_PATH, await pairs(words, out))) as { id: number }
      out.print(`pool added with id ${id}`)
    },
    edit: async (words, api, out) => {
      const { name } = named(words.slice(0, 2), ['name'])
      const answer = await api.patch(path(name), await pairs(words.slice(2), out))
      out.print(`pool ${name} has ${(answer as { desktops: number }).desktops} desktops`)
    },
    del: async (words, api, out) => {
      const { name } = named(words, ['name'])
      await api.delete(path(name))
      out.print(`pool ${name} deleted`)
    },
    /** Takes a desktop from the user who has it. */
    take: async (words, api, out) => {
      const { vm } = named(words, ['vm'])
      await api.delete(`${POOLS_PATH}/users/${encodeURIComponent(vm)}`)
      out.print(`${vm} is nobody’s; it is given again when it was reset`)
    },
  }
}
