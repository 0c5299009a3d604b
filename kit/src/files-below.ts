import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/**
 * All that lies below a folder and is no folder itself, in order. Links are named and never gone through: Node's own
 * recursion does that, and leads out of the folder by a link to another one.
 *
 * @returns paths from the folder on.
 * @throws what reading a folder throws.
 */
export function filesBelow(folder: string): readonly string[] {
  const below = (at: string): string[] =>
    readdirSync(join(folder, at), { withFileTypes: true }).flatMap((entry) => {
      const path = join(at, entry.name)
      return entry.isDirectory() ? below(path) : [path]
    })
  return below('').sort()
}
