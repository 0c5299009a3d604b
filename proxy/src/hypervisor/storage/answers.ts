import { Fault } from '@ostler/contract/fault.ts'
import { DeadlineExceeded, withDeadline } from '@ostler/kit/deadline.ts'
import { statfs } from 'node:fs/promises'

/** Whoever looks for longer than this is told that the storage is away. */
const SILENT_MS = 5_000

/** Looks that are under way: a server that is away costs one thread, however often it is asked for. */
const looks = new Map<string, Promise<unknown>>()

/**
 * Makes sure that the file systems of folders answer, before anybody touches them who cannot be interrupted: a server that is away
 * stops whoever asks it, for as long as it is. One folder after the other is asked, and never from what this machine remembers.
 *
 * @param paths folders that need not be there.
 * @throws Fault `storage.silent`
 */
export async function requireAnswers(paths: readonly string[], withinMs = SILENT_MS): Promise<void> {
  for (const path of paths) {
    try {
      await withDeadline(`a look at ${path}`, withinMs, () => lookAt(path))
    } catch (cause) {
      if (!(cause instanceof DeadlineExceeded)) throw cause
      throw new Fault('storage.silent', { path, seconds: withinMs / 1_000 }, { cause })
    }
  }
}

function lookAt(path: string): Promise<unknown> {
  const underWay = looks.get(path)
  if (underWay !== undefined) return underWay
  // A refusal is an answer, too: what it means is told by whoever uses the folder.
  const look = statfs(path).then(
    () => {},
    () => {},
  )
  looks.set(path, look)
  void look.then(() => looks.delete(path))
  return look
}
