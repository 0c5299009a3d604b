import { randomBytes } from 'node:crypto'
import { renameSync, unlinkSync } from 'node:fs'

/**
 * Frees a name in a folder that users can write to, so that something of ours can be made there. Whatever lies there is neither
 * followed nor entered; a folder cannot be removed safely and gets another name. Never throws: who makes something next hears it.
 */
export function freeName(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    try {
      renameSync(path, `${path}.${randomBytes(6).toString('hex')}`)
    } catch {
      // it stays
    }
  }
}
