import { sign, verify, X509Certificate } from 'node:crypto'
import * as z from 'zod/mini'
import { Fault } from './fault.ts'

/** Longest life of a ticket, from its signing to its use. */
export const TICKET_LIFE_MS = 60_000
/** How much the clocks of two nodes may differ. */
const CLOCK_TOLERANCE_MS = 300_000
/** Longest text that is looked at. */
const MAX_TEXT = 2_048
/** The authority signs certificates too. With these words in front nothing that it signs can be taken for the other. */
const DOMAIN = 'ostler console ticket 1\n'
/** Fixed length, so that a signature has one form. */
const SIGNATURE = 'ieee-p1363'

const payloadSchema = z.strictObject({
  desktop: z.int().check(z.positive()),
  /** The boot of the desktop that is meant. */
  epoch: z.int().check(z.nonnegative()),
  /** Login of the administrator. */
  by: z.string().check(z.regex(/^[^\p{Cc}]{1,128}$/u)),
  /** The account whose login shell is opened: neither an option, nor a path. */
  user: z.string().check(z.regex(/^[a-z_][a-z0-9_.-]{0,31}$/)),
  /** Makes the ticket good for one console. */
  nonce: z.string().check(z.regex(/^[\w-]{22,64}$/)),
  issued: z.iso.datetime(),
  expires: z.iso.datetime(),
})

/** What an administrator may do once: open a login shell in one boot of one desktop. */
export type ConsoleTicket = z.output<typeof payloadSchema>

/**
 * Signs a ticket with the key of the installation's authority (an EC key).
 *
 * @param payload `nonce` of at least 16 random bytes in base64url; `expires` at most `TICKET_LIFE_MS` after `issued`.
 * @returns the payload as JSON and the signature, both base64url, with a dot between.
 */
export function signConsoleTicket(payload: ConsoleTicket, privateKeyPem: string): string {
  const body = Buffer.from(JSON.stringify(payloadSchema.parse(payload))).toString('base64url')
  const signature = sign('sha256', Buffer.from(DOMAIN + body), {
    key: privateKeyPem,
    dsaEncoding: SIGNATURE,
  })
  return `${body}.${signature.toString('base64url')}`
}

/**
 * Checks a ticket at the door of the agent, and uses it up.
 *
 * @param expected `now` in milliseconds since 1970, by the installation's clock and never running ahead of it. The
 *   guest's own clock will not do: it may be a day off (docs/console.md). A ticket is taken until five minutes after
 *   it expired, for the nodes' clocks differ too.
 * @throws Fault `console.refused` with the reason, and with `by` and `user` when the authority did sign the ticket.
 */
export function checkConsoleTicket(
  text: string,
  expected: {
    readonly authorityPem: string
    readonly desktop: number
    readonly epoch: number
    readonly now: number
  },
  used: UsedNonces,
): ConsoleTicket {
  const ticket = readSigned(text, expected.authorityPem)
  const { by, user } = ticket
  const refuse = (reason: string): never => {
    throw new Fault('console.refused', { reason, by, user })
  }
  const [issued, expires] = [Date.parse(ticket.issued), Date.parse(ticket.expires)]
  if (expires < issued || expires - issued > TICKET_LIFE_MS) refuse('it lives too long')
  if (ticket.desktop !== expected.desktop) refuse('it is for another desktop')
  if (ticket.epoch !== expected.epoch) refuse('it is for another boot of this desktop')
  const last = expires + CLOCK_TOLERANCE_MS
  if (last < expected.now) refuse('it has expired')
  if (!used.take(ticket.nonce, last, expected.now)) refuse('it was used before')
  return ticket
}

/** The payload of a text that the authority signed. One signature is checked, whatever the text. */
function readSigned(text: string, authorityPem: string): ConsoleTicket {
  const [, body, signature] =
    (text.length <= MAX_TEXT ? /^([\w-]+)\.([\w-]{86})$/.exec(text) : undefined) ?? []
  if (body === undefined || signature === undefined)
    throw new Fault('console.refused', { reason: 'it is no ticket' })
  const genuine = verify(
    'sha256',
    Buffer.from(DOMAIN + body),
    { key: new X509Certificate(authorityPem).publicKey, dsaEncoding: SIGNATURE },
    Buffer.from(signature, 'base64url'),
  )
  if (!genuine)
    throw new Fault('console.refused', { reason: 'its signature is not that of this installation' })
  try {
    return payloadSchema.parse(JSON.parse(Buffer.from(body, 'base64url').toString('utf8')))
  } catch (cause) {
    throw new Fault('console.refused', { reason: 'it is of another version' }, { cause })
  }
}

/**
 * The nonces of one boot. Each is remembered until its ticket would be refused for its age anyway, so there are never
 * more than the authority signs in six minutes.
 */
export class UsedNonces {
  readonly #lastUse = new Map<string, number>()

  /** How many are remembered. */
  get size(): number {
    return this.#lastUse.size
  }

  /**
   * Marks a nonce as used.
   * @param last until when its ticket is valid; @param now the present, which never goes back; both milliseconds.
   * @returns false when it was used before.
   */
  take(nonce: string, last: number, now: number): boolean {
    for (const [old, end] of this.#lastUse) if (end < now) this.#lastUse.delete(old)
    if (this.#lastUse.has(nonce)) return false
    this.#lastUse.set(nonce, last)
    return true
  }
}
