import {
  ADMINISTRATORS_PATH,
  AUDIT_PATH,
  type Invited,
  type TokenMade,
  TOKENS_PATH,
} from '@ostler/contract/administrators.ts'
import type { Action } from './commands.ts'
import { listedAt } from './lists.ts'
import type { Words } from './words.ts'

/** `qa administrator …`: who administers. */
export function administratorActions({ named, pairs }: Words): Readonly<Record<string, Action>> {
  const path = (name: string): string => `${ADMINISTRATORS_PATH}/${encodeURIComponent(name)}`
  const block =
    (blocked: boolean): Action =>
    async (words, api, out) => {
      const { name } = named(words, ['name'])
      await api.post(`${path(name)}/blocked`, { blocked })
      out.print(`administrator ${name} ${blocked ? 'blocked' : 'unblocked'}`)
    }
  return {
    ...listedAt(ADMINISTRATORS_PATH),
    add: async (words, api, out) => {
      const { id } = (await api.post(ADMINISTRATORS_PATH, await pairs(words, out))) as { id: number }
      out.print(`administrator added with id ${id}`)
    },
    /** The first one: on the node, by its socket. */
    init: async (words, api, out) => {
      const invited = (await api.post('/v1/init', await pairs(words, out))) as Invited
      printCode(invited, (line) => out.show(line))
    },
    invite: async (words, api, out) => {
      const { name } = named(words.slice(0, 2), ['name'])
      const body = await pairs(words.slice(2), out)
      printCode((await api.post(`${path(name)}/invitations`, body)) as Invited, (line) => out.show(line))
    },
    block: block(true),
    unblock: block(false),
    del: async (words, api, out) => {
      const { name } = named(words, ['name'])
      await api.delete(path(name))
      out.print(`administrator ${name} deleted`)
    },
  }
}

/** `qa token …`: what opens the api over the network. */
export function tokenActions({ named, pairs }: Words): Readonly<Record<string, Action>> {
  return {
    ...listedAt(TOKENS_PATH),
    add: async (words, api, out) => {
      const { id, token, administrator, expires } = (await api.post(
        TOKENS_PATH,
        await pairs(words, out),
      )) as TokenMade
      out.print(`token ${id} of ${administrator}, until ${expires}; it is shown this once:`)
      out.show(token)
    },
    del: async (words, api, out) => {
      const { id } = named(words, ['id'])
      await api.delete(`${TOKENS_PATH}/${encodeURIComponent(id)}`)
      out.print(`token ${id} deleted`)
    },
  }
}

/** `qa audit list [--limit=N]`: who did what. */
export function auditActions({ named }: Words): Readonly<Record<string, Action>> {
  return {
    list: async (words, api, out) => {
      named(words, [])
      const limit = out.options.limit === undefined ? '' : `?limit=${encodeURIComponent(out.options.limit)}`
      const lines = (await api.get(`${AUDIT_PATH}${limit}`)) as Record<string, unknown>[]
      for (const { at, by, status, action, object, fault, request } of lines)
        out.show([at, by, status, action, object, fault ?? '-', request].map(String).join('  '))
    },
  }
}

function printCode({ code, administrator, expires }: Invited, print: (line: string) => void): void {
  print(`${administrator} comes in with this code, once, until ${expires}:`)
  print(`  qa login url=https://NODE:9443 code=-`)
  print(code)
}
