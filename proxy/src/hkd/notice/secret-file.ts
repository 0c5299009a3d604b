import { openToOthers } from '@ostler/kit/root-only.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { readFileSync, statSync } from 'node:fs'

/**
 * Reads a secret that only root may read. It is read for every use: who exchanges the file need not restart anything.
 * @throws Error when it is missing, empty, or somebody else could read or exchange it.
 */
export function secretIn(path: string): Secret {
  const open = openToOthers(path)
  if (open !== undefined) throw new Error(open)
  if ((statSync(path).mode & 0o077) !== 0) throw new Error(`${path} can be read by others than root`)
  const text = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
  if (text === '') throw new Error(`${path} is empty`)
  return new Secret(text)
}
