import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

/**
 * A folder of guest images and running machines, for its owner alone: `name` in `$OSTLER_CACHE`, else in
 * `~/.cache/ostler`. What the killed left there is removed. To be called once, before anything is put in.
 */
export function openCache(name = 'test-vm'): string {
  const cache = resolve(process.env['OSTLER_CACHE'] ?? join(homedir(), '.cache/ostler'), name)
  mkdirSync(cache, { recursive: true, mode: 0o700 })
  for (const entry of readdirSync(cache)) {
    const owner = ownerOf(entry)
    // Numbers of processes come round again: what bears ours cannot be of this process yet.
    const isLeft = owner === String(process.pid) || (owner !== undefined && !existsSync(`/proc/${owner}`))
    if (isLeft) rmSync(join(cache, entry), { recursive: true, force: true })
  }
  return cache
}

/** A path in the cache for something that lives no longer than this process. */
export function ownPath(cache: string, name: string): string {
  return join(cache, `${name}.${process.pid}`)
}

/** Removes every finished image; whoever runs one has it open. */
export function removeImages(cache: string): void {
  for (const name of readdirSync(cache))
    if (ownerOf(name) === undefined) rmSync(join(cache, name), { recursive: true, force: true })
}

/** The process in a name of `ownPath`; finished images bear none. */
function ownerOf(name: string): string | undefined {
  return name.split('.')[1]
}
