import { upgradeApi } from '@ostler/contract/agent-api.ts'
import type { Fault } from '@ostler/contract/fault.ts'
import { FolderStream } from '@ostler/contract/folder-stream.ts'
import { withDeadline } from '@ostler/kit/deadline.ts'
import type { Duplex } from 'node:stream'
import type { SharedFolders } from './shared-folders.ts'

/** A client says at once what it wants. */
const OPEN_MS = 10_000

/**
 * Takes a stream of one folder from our own client: answers the 101, hears what is to be shared, and mounts it until
 * either end closes. The client hears in a fault why it was not mounted, or why it has gone.
 */
export function takeFolder(folders: SharedFolders, raw: Duplex, head: Buffer): void {
  const { protocol } = upgradeApi.folders
  raw.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`)
  const stream = new FolderStream(raw, head)
  stream.on('error', () => {}) // 'close' follows
  void keepFolder(folders, stream)
}

/** Never rejects. */
async function keepFolder(folders: SharedFolders, stream: FolderStream): Promise<void> {
  try {
    const wanted = await withDeadline('the wish', OPEN_MS, () => stream.asked)
    const farewell = (why: Fault): void => stream.say('fault', why)
    const { ticket, place, readOnly } = await folders.mount(wanted, stream, Buffer.alloc(0), { farewell })
    stream.say('opened', { name: ticket, place, readOnly })
  } catch {
    stream.end() // who can hear it has heard why
  }
}
