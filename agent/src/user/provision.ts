import { Fault } from '@ostler/contract/fault.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { existsSync } from 'node:fs'
import type { ProvisioningHook } from '../hooks/hook-table.ts'
import type { Pairs } from '../hooks/run-hook.ts'
import type { Accounts, UserRequest } from './account.ts'

export interface ProvisionParts {
  readonly accounts: Accounts
  /** Runs a provisioning hook; false when none is configured. */
  readonly hook: (name: ProvisioningHook, pairs: Pairs, signal: AbortSignal) => Promise<boolean>
  /** Brings the homes' own disk, if there is one. */
  readonly mountHomes: (signal: AbortSignal) => Promise<void>
  /** Sees to it that the home is there and hers. Throws `home.*`. */
  readonly settleHome: (account: Account) => void
}

/** Numbers below belong to the system, on Linux and on Windows: whoever sends us a name must not get root's or a service's session. */
const FIRST_USER = 1_000

/**
 * Makes the home and the account available (compatibility page 4.3): a missing home by the hook `mount_home` or the homes' disk,
 * a missing account by the hook `add_user` or the system's own tools, then `after_add_user`.
 *
 * @param onWork called once, before the first thing that takes time.
 * @throws Fault; an account that this call made by itself is gone again.
 */
export async function provision(
  parts: ProvisionParts,
  request: UserRequest,
  pairs: Pairs,
  onWork: () => void,
  signal: AbortSignal,
): Promise<{ account: Account; warnings: readonly string[] }> {
  const known = await parts.accounts.find(request.name)
  if (known !== undefined) refuseSystem(known)
  const isHomeMissing = !existsSync(known?.home ?? request.home)
  if (isHomeMissing || known === undefined) onWork()
  if (isHomeMissing && !(await parts.hook('mount_home', pairs, signal))) await parts.mountHomes(signal)
  if (known !== undefined) {
    parts.settleHome(known)
    return { account: known, warnings: [] }
  }
  return await make(parts, request, pairs, signal)
}

async function make(
  parts: ProvisionParts,
  request: UserRequest,
  pairs: Pairs,
  signal: AbortSignal,
): Promise<{ account: Account; warnings: readonly string[] }> {
  const byHook = await parts.hook('add_user', pairs, signal)
  const made = byHook ? undefined : await parts.accounts.create(request)
  try {
    const account = await parts.accounts.find(request.name)
    const who = byHook ? 'the hook add_user' : 'useradd'
    if (account === undefined)
      throw new Fault('session.user', {
        user: request.name,
        reason: `${who} said it succeeded, but there is no such account`,
      })
    refuseSystem(account)
    parts.settleHome(account)
    await parts.hook('after_add_user', pairs, signal)
    return { account, warnings: made?.warnings ?? [] }
  } catch (error) {
    await made?.undo()
    throw error
  }
}

function refuseSystem(account: Account): void {
  if (account.uid < FIRST_USER)
    throw new Fault('session.user', { user: account.name, reason: 'this is an account of the system' })
}
