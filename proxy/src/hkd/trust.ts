import { type ConsoleTicket, signConsoleTicket, TICKET_LIFE_MS } from '@ostler/contract/console-ticket.ts'
import { holderUri } from '@ostler/contract/identity.ts'
import { issueIdentity, makeAuthority, signCertificate, type Identity } from '@ostler/kit/certificate.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { chownSync, existsSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { CallerIdentity } from '../guest/agent-link.ts'
import { readAuthority, writeAuthority } from '../store/authority.ts'
import type { Db } from '../store/open.ts'

const KEY_BYTES = 32
const NONCE_BYTES = 18
const AUTHORITY_DAYS = 3_650
const CALLER_DAYS = 365
const AGENT_DAYS = 30

/** The node's part in the installation's trust: it signs agents, and gives the callers of agents their identities. */
export interface Trust {
  /** What hkd itself presents to agents. Its key is in memory alone. */
  readonly own: CallerIdentity
  signAgent(
    desktop: number,
    epoch: number,
    publicKey: Buffer,
  ): Promise<{ certificate: string; authority: string }>
  /** A ticket for one console, good for a minute from now. */
  signConsole(asked: Pick<ConsoleTicket, 'desktop' | 'epoch' | 'by' | 'user'>): string
  /** Writes what the l7r presents to agents into a file that it alone may read, in a folder of its own. */
  issueDoorIdentity(file: string, reader: Account): Promise<void>
}

/**
 * Opens the authority out of the database, or makes it. Its key is sealed under the node key, a file of root's:
 * neither the database nor a dump of it can sign anything.
 */
export async function openTrust(db: Db, nodeKeyFile: string): Promise<Trust> {
  const nodeKey = readOrMakeKey(nodeKeyFile)
  const stored = await readAuthority(db)
  let authority: Identity
  if (stored === undefined) {
    authority = await makeAuthority('Ostler', AUTHORITY_DAYS)
    await writeAuthority(db, { certificate: authority.certificate, sealedKey: seal(nodeKey, authority.key) })
  } else authority = { certificate: stored.certificate, key: unseal(nodeKey, stored.sealedKey) }

  const issue = async (role: 'hkd' | 'l7r'): Promise<CallerIdentity> => ({
    ...(await issueIdentity(authority, { commonName: role, uri: holderUri({ role }), days: CALLER_DAYS })),
    authority: authority.certificate,
  })
  return {
    own: await issue('hkd'),
    signAgent: async (desktop, epoch, publicKey) => ({
      certificate: await signCertificate(authority, {
        commonName: `desktop ${desktop}`,
        uri: holderUri({ role: 'vma', desktop, epoch }),
        publicKey,
        days: AGENT_DAYS,
      }),
      authority: authority.certificate,
    }),
    signConsole: (asked) => {
      const now = Date.now()
      const issued = new Date(now).toISOString()
      const expires = new Date(now + TICKET_LIFE_MS).toISOString()
      const nonce = randomBytes(NONCE_BYTES).toString('base64url')
      return signConsoleTicket({ ...asked, nonce, issued, expires }, authority.key)
    },
    issueDoorIdentity: async (file, reader) => {
      writeWhole(file, JSON.stringify(await issue('l7r')), { mode: 0o400, owner: reader })
      // The door's own: its socket lies there too.
      chownSync(dirname(file), reader.uid, reader.gid)
    },
  }
}

/** Whether the node key opens the authority in the database; also when there is no authority yet. */
export async function opensAuthority(db: Db, nodeKeyFile: string): Promise<boolean> {
  const stored = await readAuthority(db)
  if (stored === undefined) return true
  if (!existsSync(nodeKeyFile)) return false
  try {
    unseal(readOrMakeKey(nodeKeyFile), stored.sealedKey)
    return true
  } catch {
    return false
  }
}

function readOrMakeKey(file: string): Buffer {
  if (!existsSync(file)) writeWhole(file, randomBytes(KEY_BYTES).toString('hex'), { mode: 0o600 })
  const key = Buffer.from(readFileSync(file, 'utf8').trim(), 'hex')
  if (key.length !== KEY_BYTES)
    throw new Fault('config.invalid', { problems: `${file} holds no node key: restore it from a backup` })
  return key
}

/** AES-256-GCM: nonce, tag and ciphertext, base64. */
function seal(key: Buffer, plaintext: string): string {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  const sealed = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64')
}

function unseal(key: Buffer, sealed: string): string {
  const bytes = Buffer.from(sealed, 'base64')
  const cipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12))
  cipher.setAuthTag(bytes.subarray(12, 28))
  return Buffer.concat([cipher.update(bytes.subarray(28)), cipher.final()]).toString('utf8')
}
