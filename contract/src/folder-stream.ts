import type { Duplex } from 'node:stream'
import * as z from 'zod/mini'
import { Fault } from './fault.ts'
import { FramedStream } from './framed-stream.ts'

/** What the client asks for. */
const openFolder = z.strictObject({
  /** What it would like the folder to be called. */
  name: z.string().check(z.minLength(1), z.maxLength(255)),
  /** Where it lies on the client: administrators may allow some places only. */
  path: z.string().check(z.minLength(1), z.maxLength(4_096)),
  readOnly: z.boolean(),
})

/** What the agent has made of it. */
const openedFolder = z.strictObject({
  name: z.string().check(z.maxLength(255)),
  /** Where the user finds it, as `~/Redirected/docs`. */
  place: z.string().check(z.maxLength(4_096)),
  /** True also where only the desktop's rules say so. */
  readOnly: z.boolean(),
})
export type OpenedFolder = z.output<typeof openedFolder>

/**
 * The stream of one shared folder, between our client and the agent (tunnel kind `folder`): its data is SFTP version 3, in
 * which the client serves.
 */
export class FolderStream extends FramedStream<z.output<typeof openFolder>, OpenedFolder> {
  /** @param head what came on `raw` already. */
  constructor(raw: Duplex, head: Buffer) {
    super(WORDS, raw, head)
  }
}

const WORDS = {
  open: openFolder,
  opened: openedFolder,
  lost: (reason: string) => new Fault('folder.lost', { reason }),
  malformed: (problem: string) => new Fault('folder.malformed', { problem }),
}
