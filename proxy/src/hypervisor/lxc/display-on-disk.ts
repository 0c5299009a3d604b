import { run } from '@ostler/kit/run.ts'
import { mkdirSync } from 'node:fs'

/**
 * Puts a display folder on the disk, where it was a small one in memory: before Linux 6.3 those cannot be seen with other
 * owners. The guest may then write more there than in memory; it may write as much to its overlay anyway.
 *
 * @param display the folder that `makeRunFolder` made.
 * @param onDisk is made; on a file system that can show other owners.
 */
export async function displayOnDisk(display: string, onDisk: string): Promise<void> {
  mkdirSync(onDisk, { mode: 0o751 })
  await run('umount', ['--lazy', display])
  await run('mount', ['--bind', onDisk, display])
}
