import { existsSync, lstatSync, readdirSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'

/**
 * What makes a system this one and no other, relative to its root. A desktop that is started from a copy gets its own.
 * `empty`: the file stays, without content. `remove`: it goes. `logs`: every file below is emptied.
 */
export const SEALED = {
  empty: ['etc/machine-id'],
  remove: [
    'var/lib/dbus/machine-id',
    'var/lib/systemd/random-seed',
    'var/lib/systemd/credential.secret',
    'var/lib/dhcp/*',
    'var/lib/dhclient/*',
    'var/lib/NetworkManager/*',
    'etc/ssh/ssh_host_*',
    'etc/ostler/agent/*',
    'var/log/journal/*',
    'var/tmp/*',
    'var/spool/cron/crontabs/*',
    'tmp/*',
    'run/*',
    'home/*',
    'root/.ssh',
    'root/.cache',
    'root/.bash_history',
  ],
  logs: ['var/log'],
} as const

/**
 * Removes from a copied system what must not be in two. The system's own users have written there, so no link of theirs is
 * followed, and a folder that is a link is an error: who knows what it hides.
 *
 * @param root of a system that nothing runs in.
 * @param more to be removed, as in `SEALED.remove`.
 * @returns how many files were removed or emptied.
 * @throws Error that names the link, or of the system.
 */
export function seal(root: string, more: readonly string[] = []): number {
  let count = 0
  for (const path of SEALED.empty)
    for (const file of found(root, path)) {
      if (!lstatSync(file).isFile()) throw new Error(`${path} is no file`)
      truncateSync(file)
      count += 1
    }
  for (const path of [...SEALED.remove, ...more])
    for (const file of found(root, path)) {
      rmSync(file, { recursive: true, force: true })
      count += 1
    }
  for (const path of SEALED.logs)
    for (const folder of found(root, path)) {
      const stat = lstatSync(folder)
      if (!stat.isDirectory()) throw new Error(`${path} is no folder`)
      count += emptyFiles(folder)
    }
  return count
}

/** What there is of a path, whose last part may end in `*`. */
function found(root: string, path: string): string[] {
  const parts = path.split('/')
  const last = parts.pop() ?? ''
  let folder = root
  for (const part of parts) {
    folder = join(folder, part)
    const stat = lstatSync(folder, { throwIfNoEntry: false })
    if (stat === undefined) return []
    if (!stat.isDirectory()) throw new Error(`${folder.slice(root.length + 1)} is no folder`)
  }
  if (last.endsWith('*')) {
    const start = last.slice(0, -1)
    return readdirSync(folder)
      .filter((name) => name.startsWith(start))
      .map((name) => join(folder, name))
  }
  const file = join(folder, last)
  return existsSync(file) || lstatSync(file, { throwIfNoEntry: false }) !== undefined ? [file] : []
}

function emptyFiles(folder: string): number {
  return readdirSync(folder, { withFileTypes: true })
    .map((entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return emptyFiles(path)
      if (!entry.isFile()) return 0
      truncateSync(path)
      return 1
    })
    .reduce((sum, count) => sum + count, 0)
}
