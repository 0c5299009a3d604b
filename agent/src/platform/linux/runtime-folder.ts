import type { Account } from '@ostler/kit/passwd.ts'
import { chmodSync, chownSync, mkdirSync } from 'node:fs'

/** Makes the folder that programs expect at `XDG_RUNTIME_DIR`, the user's alone. */
export function ensureRuntimeFolder(account: Account): void {
  const folder = `/run/user/${account.uid}`
  mkdirSync('/run/user', { recursive: true, mode: 0o755 })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  // One that is there may be open to others: programs refuse such a folder.
  chmodSync(folder, 0o700)
  chownSync(folder, account.uid, account.gid)
}
