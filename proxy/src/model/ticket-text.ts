import { createHash, randomBytes } from 'node:crypto'

const TICKET = /^[\w-]{43}$/

/** A new ticket's text, which is told to one person once, and its digest, which is all that is kept. */
export function makeTicket(): { readonly text: string; readonly digest: Buffer } {
  const text = randomBytes(32).toString('base64url')
  return { text, digest: digestOf(text) }
}

/** The digest of what somebody shows as a ticket; `undefined` for what cannot be one. */
export function ticketDigest(text: string | undefined): Buffer | undefined {
  return text !== undefined && TICKET.test(text) ? digestOf(text) : undefined
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
