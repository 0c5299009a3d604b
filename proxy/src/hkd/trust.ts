import { type ConsoleTicket, signConsoleTicket, TICKET_LIFE_MS } from '@ostler/contract/console-ticket.ts'
import { holderUri } from '@ostler/contract/identity.ts'
import { issueIdentity, makeAuthority, signCertificate, type Identity } from '@ostler/kit/certificate.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { boxKey, openWith, sealWith } from '@ostler/kit/sealed-box.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { randomBytes } from 'node:crypto'
import { chownSync, existsSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { CallerIdentity } from '../guest/agent-link.ts'
import { publishSealingKey, readAuthority, writeAuthority } from '../store/authority.ts'
import type { Db } from '../store/open.ts'

const KEY_BYTES = 32
const NONCE_BYTES = 18
const AUTHORITY_DAYS = 3_650
const CALLER_DAYS = 365
const AGENT_DAYS = 30

/** The node's part in the installation's trust: it signs agents, and gives the callers of agents their identities. */
export interface Trust {
  /** What hkd itself presents to agents, as it now is. Its key is in memory alone. */
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

/** Opens what others have sealed for hkd with the key that is in the database. */
export interface Opener {
  /** @throws Error when it was sealed for somebody else or altered. */
  open(sealed: string): string
}

/** What a running hkd has besides. */
export interface NodeTrust extends Trust, Opener {
  /** Makes hkd's own identity anew: the same object until then. */
  renewOwn(): Promise<void>
}

/**
 * Opens the authority out of the database, or makes it. Its key is sealed under the node key, a file of root's:
 * neither the database nor a dump of it can sign anything.
 */
export async function openTrust(db: Db, nodeKeyFile: string): Promise<NodeTrust> {
  const nodeKey = readOrMakeKey(nodeKeyFile)
  const stored = await readAuthority(db)
  let authority: Identity
  if (stored === undefined) {
    authority = await makeAuthority('Ostler', AUTHORITY_DAYS)
    const sealedKey = sealWith(nodeKey, authority.key).toString('base64')
    await writeAuthority(db, { certificate: authority.certificate, sealedKey })
  } else {
    const key = openWith(nodeKey, Buffer.from(stored.sealedKey, 'base64'))
    authority = { certificate: stored.certificate, key }
  }
  const box = boxKey(authority.key, 'ostler: for hkd alone')
  await publishSealingKey(db, box.publicKey)

  const issue = async (role: 'hkd' | 'l7r'): Promise<CallerIdentity> => ({
    ...(await issueIdentity(authority, { commonName: role, uri: holderUri({ role }), days: CALLER_DAYS })),
    authority: authority.certificate,
  })
  let own = await issue('hkd')
  return {
    get own() {
      return own
    },
    renewOwn: async () => {
      own = await issue('hkd')
    },
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
    open: (sealed) => box.open(sealed),
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
    openWith(readOrMakeKey(nodeKeyFile), Buffer.from(stored.sealedKey, 'base64'))
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
