import { Fault } from '@ostler/contract/fault.ts'
import { createHash, hkdfSync } from 'node:crypto'
import { z } from 'zod'

/** The role whose only right is to take an invitation that it can name. */
export const JOIN_ROLE = 'ostler_join'

const PREFIX = 'ostler-join-'

const invitation = z.strictObject({
  /** `nodename` of the node that is invited. */
  node: z.string().min(1),
  host: z.string().min(1),
  port: z.int().min(1).max(65_535),
  database: z.string().min(1),
  sslmode: z.enum(['disable', 'require', 'verify-full']),
  /** Certificates that the server is trusted by, PEM; without: the system's. */
  ca: z.string().optional(),
  /** Of `JOIN_ROLE`. */
  password: z.string().min(1),
  /** 32 bytes: takes the invitation, and opens what it holds. */
  secret: z.base64url(),
})

/** What one node needs to find the database of an installation and be one of its nodes, for as long as it is good, once. */
export type Invitation = z.infer<typeof invitation>

/** What an invited node is given: the key of the nodes, and the password of each role. */
export const joinedSecrets = z.strictObject({
  nodeKey: z.string(),
  passwords: z.record(z.string(), z.string()),
})
export type JoinedSecrets = z.infer<typeof joinedSecrets>

/** As it is carried from one node to another: one word. */
export function formatInvitation(invited: Invitation): string {
  return PREFIX + Buffer.from(JSON.stringify(invited)).toString('base64url')
}

/** @throws Fault `join.invalid` when it is none. */
export function parseInvitation(text: string): Invitation {
  const word = text.trim()
  try {
    if (!word.startsWith(PREFIX)) throw new TypeError('another beginning')
    return invitation.parse(JSON.parse(Buffer.from(word.slice(PREFIX.length), 'base64url').toString()))
  } catch (cause) {
    throw new Fault('join.invalid', { reason: 'it is no invitation, or not a whole one' }, { cause })
  }
}

/** What the database knows an invitation by. It opens nothing. */
export function invitationDigest(secret: string): Buffer {
  return createHash('sha256')
    .update('ostler: take an invitation')
    .update(Buffer.from(secret, 'base64url'))
    .digest()
}

/** What an invitation is sealed under. */
export function invitationKey(secret: string): Buffer {
  const bytes = Buffer.from(secret, 'base64url')
  return Buffer.from(hkdfSync('sha256', bytes, '', 'ostler: what an invitation holds', 32))
}
