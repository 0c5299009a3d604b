import { Fault } from '@ostler/contract/fault.ts'
import { run } from '@ostler/kit/run.ts'
import { randomBytes } from 'node:crypto'
import { appendFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The one user of a desktop, as its programs see her. */
export interface SoleAccount {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** Password hashes of an image: every file of a desktop is its user's. */
const SECRETS = ['shadow', 'shadow-', 'gshadow', 'gshadow-']
/** Files that are written here: what the image has in their place may be a link. */
const OWN_FILES = ['machine-id']
/** Folders of /var that are empty at each start. `lib` stays the image's, and read-only. */
const EMPTY_VAR = ['cache', 'lib', 'log', 'mail', 'spool', 'tmp']

/**
 * Fills the overlay of a desktop: its own `/etc`, with its user among the accounts, and its own `/var`. All of it belongs to
 * `owner`.
 * @throws Fault `container.failed` for a login that can be no account, RunError when the copy fails.
 */
export async function fillOverlay(
  overlay: string,
  image: string,
  desktop: { readonly id: number },
  account: SoleAccount,
  owner: { readonly uid: number; readonly gid: number },
): Promise<void> {
  const { name, uid, gid } = account
  if (!/^[\w.][\w.@-]{0,63}$/.test(name))
    throw new Fault('container.failed', {
      desktop: desktop.id,
      reason: `"${name}" cannot be the name of an account`,
    })
  const etc = join(overlay, 'etc')
  await run('cp', ['--archive', '--no-preserve=ownership', '--', join(image, 'etc'), etc])
  for (const file of [...SECRETS, ...OWN_FILES]) rmSync(join(etc, file), { force: true })
  appendFileSync(join(etc, 'passwd'), `${name}:x:${uid}:${gid}::/home/${name}:/bin/bash\n`)
  appendFileSync(join(etc, 'group'), `${name}:x:${gid}:\n`)
  writeFileSync(join(etc, 'machine-id'), `${randomBytes(16).toString('hex')}\n`, { flag: 'wx' })
  for (const folder of EMPTY_VAR) mkdirSync(join(overlay, 'var', folder), { recursive: true, mode: 0o755 })
  symlinkSync('/run', join(overlay, 'var/run'))
  if (process.getuid?.() === 0)
    await run('chown', ['--recursive', '--no-dereference', `${owner.uid}:${owner.gid}`, '--', overlay])
}
