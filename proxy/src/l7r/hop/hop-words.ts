import { Fault, faultFromBody } from '@ostler/contract/fault.ts'

/**
 * What two doors say to each other, inside mutual TLS 1.3, before the display's bytes: the caller sends its ticket,
 * the other answers with a length of two bytes and, if that is not 0, so many bytes of a fault as JSON. 0 is yes. A
 * change of this gets another protocol name.
 */
export const HOP_PROTOCOL = 'ostler-hop'
/** The server name of every hop: it is the certificate's role that counts. */
export const HOP_NAME = 'hop.ostler.internal'
/** Random bytes, good for one hop. */
export const TICKET_BYTES = 32
/** For each step of a hop. */
export const HOP_MS = 5_000

const LENGTH_BYTES = 2
const MAX_FAULT = 4_096

/** @param refusal `undefined`: yes. */
export function hopAnswer(refusal: Fault | undefined): Buffer {
  const body = Buffer.from(refusal === undefined ? '' : JSON.stringify(refusal))
  const bounded = body.length > MAX_FAULT ? Buffer.from(JSON.stringify(new Fault('server.internal'))) : body
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt16BE(bounded.length)
  return Buffer.concat([length, bounded])
}

/**
 * Reads an answer.
 * @returns how many bytes it takes when it is yes; `undefined` while there is more to come.
 * @throws Fault that was answered; Error for what is no answer.
 */
export function takeHopAnswer(bytes: Buffer): number | undefined {
  if (bytes.length < LENGTH_BYTES) return undefined
  const length = bytes.readUInt16BE()
  if (length === 0) return LENGTH_BYTES
  if (length > MAX_FAULT) throw new Error('its answer is none')
  if (bytes.length < LENGTH_BYTES + length) return undefined
  throw readFault(bytes.toString('utf8', LENGTH_BYTES, LENGTH_BYTES + length))
}

function readFault(text: string): Error {
  try {
    return faultFromBody(JSON.parse(text)) ?? new Error('it refused with words that are not known here')
  } catch {
    return new Error('its answer is none')
  }
}
