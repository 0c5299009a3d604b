import { Fault } from '@ostler/contract/fault.ts'
import { existsSync, lstatSync, mkdirSync, renameSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { homeLockPath, lockHome } from './home-lock.ts'

/**
 * Moves a home within its storage. It may be called again after it was cut short anywhere.
 *
 * @param homes `path.storage.homefs`, below which both paths are.
 * @returns false when it is neither here nor there.
 * @throws Fault `home.taken` when somebody writes to it, `home.refused` when something else is in its way.
 */
export async function moveHome(homes: string, from: string, to: string): Promise<boolean> {
  const [source, target] = [join(homes, from), join(homes, to)]
  const isHere = isThere(source)
  if (isHere || existsSync(homeLockPath(source))) {
    using lock = await lockHome(source)
    if (isHere) {
      if (isThere(target))
        throw new Fault('home.refused', { home: from, reason: `something lies at ${target}` })
      mkdirSync(dirname(target), { recursive: true, mode: 0o700 })
      renameSync(source, target)
    }
    lock.remove()
  }
  return isHere || isThere(target)
}

/** Removes what is left of a home at a path. @throws Fault `home.taken`. */
export async function removeHome(homes: string, path: string): Promise<void> {
  const place = join(homes, path)
  if (!isThere(place) && !existsSync(homeLockPath(place))) return
  using lock = await lockHome(place)
  await rm(place, { recursive: true, force: true })
  lock.remove()
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}
