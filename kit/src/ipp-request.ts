import type { IncomingMessage } from 'node:http'
import { PassThrough, type Readable } from 'node:stream'
import { decodeIpp, IPP_GROUP, type IppMessage } from './ipp.ts'
import { ippOpening } from './ipp-call.ts'

/** What somebody asks a print server for. */
export interface IppRequest {
  readonly message: IppMessage
  /** What is to be printed. It breaks off when the connection does, and is the reader's to destroy. */
  readonly document: Readable
}

const REQUEST_BYTES = 256 << 10

/**
 * Reads a request up to its document, which is left to be read.
 * @returns `undefined` when it is none, or longer than 256 KiB.
 */
export async function readIppRequest(request: IncomingMessage): Promise<IppRequest | undefined> {
  const document = new PassThrough()
  let head = Buffer.alloc(0)
  const asked = await new Promise<IppMessage | undefined>((resolve) => {
    const take = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk])
      const found = decoded(head)
      if (found === undefined && head.length <= REQUEST_BYTES) return
      request.off('data', take)
      request.pause()
      if (found !== undefined && found !== 'none') document.write(head.subarray(found.length))
      resolve(found === 'none' ? undefined : found?.message)
    }
    request.on('data', take)
    for (const event of ['end', 'close', 'error'] as const) request.once(event, () => resolve(undefined))
  })
  if (asked === undefined) return undefined
  request.once('close', () => {
    if (!request.complete) document.destroy()
  })
  request.pipe(document)
  return { message: asked, document }
}

/** An answer that has a status and, if at all, these attributes of the printer or the job. */
export function ippAnswer(asked: IppMessage, status: number, groups: IppMessage['groups'] = []): IppMessage {
  return {
    ...asked,
    code: status,
    groups: [{ tag: IPP_GROUP.operation, attributes: ippOpening() }, ...groups],
  }
}

function decoded(bytes: Buffer): ReturnType<typeof decodeIpp> | 'none' {
  try {
    return decodeIpp(bytes)
  } catch {
    return 'none'
  }
}
