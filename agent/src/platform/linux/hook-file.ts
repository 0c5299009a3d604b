import { openToOthers } from '@ostler/kit/root-only.ts'
import { statSync } from 'node:fs'
import { isSoleUser } from '../../user/sole-user.ts'

/**
 * Why a hook file must not be run as root, or `undefined` when it may: it, and every folder and link on the way to it, must be
 * root's and writable by nobody else.
 */
export function hookFileProblem(file: string): string | undefined {
  if (!file.startsWith('/')) return 'it is not an absolute path'
  try {
    const stat = statSync(file)
    if (!stat.isFile()) return 'it is not a file'
    if ((stat.mode & 0o111) === 0) return 'it is not executable'
    // What the sole user runs as herself, she may also have written.
    return isSoleUser() ? undefined : openToOthers(file)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? 'there is no such file' : message
  }
}
