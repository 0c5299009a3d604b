import { type Maintained, maintenancePath } from '@ostler/contract/pools.ts'
import type { Action } from './commands.ts'
import type { Words } from './words.ts'

/**
 * `qa OBJECT maintenance -f name=… said="…" [stop=yes]`: nobody new comes to its desktops, and users read the sentence.
 * `qa OBJECT open -f name=…` ends it.
 */
export function maintained(
  kind: Maintained,
  { named, pairs }: Words,
): Record<'maintenance' | 'open', Action> {
  const find = (words: readonly string[]): { name: string; tenant?: string } => {
    if (kind !== 'user') return named(words.slice(0, 2), ['name'])
    const { login, tenant } = named(words.slice(0, 2), ['login'], ['tenant'])
    return { name: login, ...(tenant === undefined ? {} : { tenant }) }
  }
  return {
    maintenance: async (words, api, out) => {
      const { name, ...tenant } = find(words)
      const answer = await api.post(maintenancePath(kind, name), {
        ...tenant,
        ...(await pairs(words.slice(2), out)),
      })
      const { stopping } = answer as { stopping: number }
      out.print(`${kind} ${name} is looked after${stopping > 0 ? `, ${stopping} desktops are stopping` : ''}`)
    },
    open: async (words, api, out) => {
      const { name, ...tenant } = find(words)
      await api.post(maintenancePath(kind, name), { ...tenant, said: null })
      out.print(`${kind} ${name} is open`)
    },
  }
}
