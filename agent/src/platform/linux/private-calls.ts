// For tests: makes one call of ours, and prints what came of it. `PrivateSystem` runs it.
import { Fault } from '@ostler/contract/fault.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { run } from '@ostler/kit/run.ts'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { loadAgentConfig } from '../../config/load.ts'
import type { AgentValues } from '../../config/options.ts'
import type { Accounts, UserRequest } from '../../user/account.ts'
import { linuxAccounts } from './accounts.ts'
import { asUserWith } from './as-user.ts'
import { Locales } from './locales.ts'
import { ensureRuntimeFolder } from './runtime-folder.ts'

function accounts(config: Partial<AgentValues>): Accounts {
  const defaults = loadAgentConfig({ own: '/no/such/file', qvd: '/no/such/file' }).values
  return linuxAccounts(() => ({ ...defaults, ...config }), run)
}

const CALLS = {
  find: (name: string) =>
    accounts({})
      .find(name)
      .then((account) => account ?? null),
  create: async (request: UserRequest, config: Partial<AgentValues> = {}) => ({
    warnings: (await accounts(config).create(request)).warnings,
  }),
  createAndUndo: async (request: UserRequest) => {
    await (await accounts({}).create(request)).undo()
    return {}
  },
  locales: (wanted: readonly string[]) => {
    const locales = new Locales(run)
    return Promise.all(
      wanted.map(async (locale) => [await locales.has(locale), await locales.either(locale)] as const),
    )
  },
  ensureRuntimeFolder: (account: Account) => {
    ensureRuntimeFolder(account)
    return {}
  },
  asUser: async (account: Account, command: string, args: readonly string[], env: Record<string, string>) => {
    const asUser = asUserWith(() => 'setpriv')
    const child = asUser(account, command, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(child, 'close')
    const printed = child.stdout === null ? '' : await text(child.stdout)
    await ended
    return { printed, exit: child.exitCode }
  },
} as const

export type Calls = typeof CALLS

const [name, args] = process.argv.slice(2)
try {
  const call = CALLS[name as keyof Calls] as (...args: unknown[]) => unknown
  console.log(JSON.stringify({ value: await call(...(JSON.parse(args ?? '[]') as unknown[])) }))
} catch (error) {
  if (!(error instanceof Fault)) throw error
  console.log(JSON.stringify(error))
}
