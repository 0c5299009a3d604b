import { run, RunError } from '@ostler/kit/run.ts'
import { closeSync, openSync, readSync } from 'node:fs'

const UNPACK_MS = 600_000
const SQUASHFS_MAGIC = 'hsqs'

/**
 * Unpacks an archive of a system into a folder, with owners, permissions and times: a tarball, or a squashfs, whatever it is
 * called.
 * @throws RunError of the program that could not; Error when there is no program for it.
 */
export async function unpack(archive: string, folder: string): Promise<void> {
  if (!isSquashfs(archive)) {
    const args = ['--extract', '--numeric-owner', '--file', archive, '--directory', folder]
    return void (await run('tar', args, { timeoutMs: UNPACK_MS }))
  }
  for (const [program, ...args] of squashfsPrograms(archive, folder))
    try {
      return void (await run(program, args, { timeoutMs: UNPACK_MS }))
    } catch (error) {
      if (!(error instanceof RunError && isMissing(error.cause))) throw error
    }
  throw new Error('this machine cannot unpack squashfs: install squashfs-tools, or squashfs-tools-ng')
}

/** Those of Debian's two packages. */
function squashfsPrograms(archive: string, folder: string): [string, ...string[]][] {
  return [
    ['unsquashfs', '-force', '-no-progress', '-dest', folder, archive],
    [
      'rdsquashfs',
      ...['--unpack-path', '/', '--unpack-root', folder],
      ...['--quiet', '--chmod', '--chown', '--set-times', '--set-xattr', archive],
    ],
  ]
}

function isSquashfs(archive: string): boolean {
  const file = openSync(archive, 'r')
  try {
    const head = Buffer.alloc(SQUASHFS_MAGIC.length)
    readSync(file, head)
    return head.toString('latin1') === SQUASHFS_MAGIC
  } finally {
    closeSync(file)
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
