import type { Account } from '@ostler/kit/passwd.ts'
import { chownSync, cpSync, existsSync, lchownSync, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { explainHomeError, verifyHome } from './home-folder.ts'

const SKELETON = '/etc/skel'

/**
 * Sees to it that an account has a home that is hers: made from the skeleton where it is missing (an account of the image on a
 * new disk, or one of a directory service), taken into possession where it is an empty folder of root's (a fresh mount), and
 * otherwise only looked at.
 *
 * @throws Fault `home.owner`, `home.full`, `home.readOnly`, `home.failed`; a home that could not be made whole is gone again.
 */
export function settleHome(account: Account, skeleton = SKELETON): void {
  const there = lstatSync(account.home, { throwIfNoEntry: false })
  if (there === undefined) makeHome(account, skeleton)
  else if (there.isDirectory() && there.uid === 0 && readdirSync(account.home).length === 0)
    chownSync(account.home, account.uid, account.gid)
  verifyHome(account.home, account.uid, account.gid)
}

function makeHome(account: Account, skeleton: string): void {
  try {
    // Only the home is hers alone: she must get through what is above it.
    mkdirSync(dirname(account.home), { recursive: true, mode: 0o755 })
    mkdirSync(account.home, { mode: 0o700 })
    if (existsSync(skeleton)) cpSync(skeleton, account.home, { recursive: true, verbatimSymlinks: true })
    giveAll(account.home, account)
  } catch (error) {
    rmSync(account.home, { recursive: true, force: true })
    throw explainHomeError(error, account.home) ?? error
  }
}

function giveAll(path: string, account: Account): void {
  lchownSync(path, account.uid, account.gid)
  if (lstatSync(path).isDirectory()) for (const name of readdirSync(path)) giveAll(join(path, name), account)
}
