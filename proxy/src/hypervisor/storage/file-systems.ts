import { Fault } from '@ostler/contract/fault.ts'
import { statSync } from 'node:fs'
import { access, constants, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type FileSystemRoom, lackOfRoom, type Reserve } from '../../model/free-room.ts'

/** A folder of the storage with what its file system has left. */
export interface FolderRoom extends FileSystemRoom {
  /** Its name in the configuration. */
  readonly name: string
  readonly path: string
  /** What its file system lacks for a desktop to start, in words. */
  readonly lack: string | undefined
}

/**
 * Looks at the file systems of folders, one after the other: a server that is away keeps one thread waiting, and hkd has few. One that
 * is not there yet is made where its parents are.
 */
export async function roomOf(
  folders: Readonly<Record<string, string>>,
  reserve: Reserve,
): Promise<FolderRoom[]> {
  const look = async ([name, path]: readonly [string, string]): Promise<FolderRoom> => {
    const { bavail, bsize, blocks, ffree, files } = await statfs(await firstThatIs(path))
    const room = {
      freeBytes: bavail * bsize,
      totalBytes: blocks * bsize,
      freeInodes: ffree,
      totalInodes: files,
    }
    const short = lackOfRoom(room, reserve)
    const lack = (await isReadOnly(path))
      ? 'its file system is read-only'
      : short && `there is no room: ${short}`
    return { name, path, ...room, lack }
  }
  const rooms: FolderRoom[] = []
  for (const folder of Object.entries(folders)) rooms.push(await look(folder))
  return rooms
}

/**
 * Makes sure that folders are mounts: what is written to one below which nothing is mounted would be hidden when it is.
 * @throws Fault `storage.notMounted`
 */
export function requireMounts(paths: readonly string[]): void {
  for (const path of paths) {
    const here = statSync(path, { throwIfNoEntry: false })
    if (here === undefined) throw new Fault('storage.notMounted', { path, reason: 'it does not exist' })
    const above = statSync(dirname(path))
    if (here.dev === above.dev && here.ino !== above.ino)
      throw new Fault('storage.notMounted', { path, reason: 'nothing is mounted there' })
  }
}

/** A file system that has met an error may be made read-only by its kernel; root is told of it too. */
async function isReadOnly(path: string): Promise<boolean> {
  return await access(path, constants.W_OK).then(
    () => false,
    (error: unknown) => (error as NodeJS.ErrnoException).code === 'EROFS',
  )
}

async function firstThatIs(path: string): Promise<string> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  )
  return isThere || path === '/' ? path : await firstThatIs(dirname(path))
}
