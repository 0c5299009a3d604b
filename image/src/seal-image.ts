import { seal } from '@ostler/contract/sealed-system.ts'
import { lstatSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Beside what makes a system this one: what apt fetches again by itself, and what the build has left. */
const OF_BUILD = [
  ...['var/lib/apt/lists/*', 'var/cache/apt/*', 'var/cache/ldconfig/aux-cache'],
  ...['etc/apt/apt.conf.d/99mmdebstrap', 'etc/dpkg/dpkg.cfg.d/99mmdebstrap', 'etc/hostname'],
]

/**
 * Seals the system in a folder: no number, key, lease or name of its own, no log, nothing that was only fetched. Nobody may run in it.
 * @throws Error that names a link in place of a folder, which is never followed.
 */
export function sealImage(root: string): void {
  seal(root, OF_BUILD)
  // An empty number is still to be drawn; where the file is missing, systemd begins as at a first boot.
  const number = join(root, 'etc/machine-id')
  if (lstatSync(number, { throwIfNoEntry: false }) === undefined)
    writeFileSync(number, '', { flag: 'wx', mode: 0o644 })
}
