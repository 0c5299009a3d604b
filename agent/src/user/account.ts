import { Fault } from '@ostler/contract/fault.ts'
import { type Account, findAccount } from '@ostler/kit/passwd.ts'
import { type RunResult, RunError } from '@ostler/kit/run.ts'
import { chownSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

export interface AccountSettings {
  readonly useradd: string
  readonly homes: string
  readonly shell: string
}

type Run = (command: string, args: readonly string[]) => Promise<RunResult>

/**
 * Returns the account `name`, made with its home if it is missing. An existing account is left as it is.
 * A home that is there already (it outlives the desktop's root file system) lends its owner's number to the
 * new account, so that the files in it stay hers.
 *
 * @throws Fault `session.user` when the name is the system's, or useradd fails; nothing half-made is left.
 */
export async function ensureAccount(name: string, settings: AccountSettings, run: Run): Promise<Account> {
  const known = findAccount(name)
  if (known !== undefined) {
    if (known.uid === 0) throw new Fault('session.user', { user: name, reason: 'this is the system account' })
    return known
  }
  const home = join(settings.homes, name)
  const owner = ownerOf(home)
  const number = owner === undefined || owner.uid < 1000 ? [] : ['--uid', String(owner.uid)]
  try {
    await run(settings.useradd, [
      '--create-home',
      '--home-dir',
      home,
      '--shell',
      settings.shell,
      '--user-group',
      ...number,
      '--',
      name,
    ])
  } catch (error) {
    const reason = error instanceof RunError ? error.stderr.trim() || error.message : String(error)
    throw new Fault('session.user', { user: name, reason }, { cause: error })
  }
  const made = findAccount(name)
  if (made === undefined)
    throw new Fault('session.user', { user: name, reason: 'useradd said it succeeded, but it is not there' })
  return made
}

/** Makes the folder that programs expect at `XDG_RUNTIME_DIR`, the user's alone. */
export function ensureRuntimeFolder(account: Account): string {
  const folder = `/run/user/${account.uid}`
  mkdirSync('/run/user', { recursive: true, mode: 0o755 })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chownSync(folder, account.uid, account.gid)
  return folder
}

function ownerOf(folder: string): { uid: number } | undefined {
  return statSync(folder, { throwIfNoEntry: false })
}
