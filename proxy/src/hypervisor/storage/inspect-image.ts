import { run, RunError } from '@ostler/kit/run.ts'
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import type { DiskImageKind } from '../../model/disk-image.ts'
import { openImage } from '../kvm/disks.ts'

const READ_MS = 1_800_000
const NO_SYSTEM = 'it has no sbin at its top: it is not the root of a system'

/**
 * Looks whether an image can be what it is said to be: an archive that can be read to its end with a system in it, the disk of a
 * machine, a folder with a system.
 *
 * @throws Error with the reason, or Fault `image.unusable`.
 */
export async function inspectImage(
  kind: DiskImageKind,
  name: string,
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  if (kind === 'qcow2') openImage(name, path)[Symbol.dispose]()
  if (kind === 'directory' && lstatSync(join(path, 'sbin'), { throwIfNoEntry: false }) === undefined)
    throw new Error(NO_SYSTEM)
  if (kind === 'tarball') await inspectArchive(path, signal)
}

async function inspectArchive(path: string, signal?: AbortSignal): Promise<void> {
  let rest = ''
  const seen = { system: false }
  const onOutput = (chunk: Buffer): void => {
    if (seen.system) return
    const lines = (rest + chunk.toString('latin1')).split('\n')
    rest = lines.pop() ?? ''
    seen.system = lines.some((line) => /^(?:\.\/)?sbin(?:\/|$)/.test(line))
  }
  const options = { timeoutMs: READ_MS, maxOutput: 0, onOutput, ...(signal === undefined ? {} : { signal }) }
  try {
    await run('tar', ['--list', '--file', path], options)
  } catch (cause) {
    signal?.throwIfAborted()
    const said = cause instanceof RunError ? cause.stderr.trim().split('\n')[0] : undefined
    throw new Error(`it cannot be read as an archive: ${said ?? String(cause)}`, { cause })
  }
  if (!seen.system) throw new Error(NO_SYSTEM)
}
