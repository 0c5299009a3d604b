import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { constants } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { createSecureContext, createServer, type SecureContextOptions, type Server } from 'node:tls'
import { keyName, type TicketKeys } from './ticket-keys.ts'
import { readGivenPems } from '../../model/door-certificate.ts'
import type { TlsVersions } from './tls-words.ts'

export interface TlsSettings {
  /** PEM files. They are read again when they change. */
  readonly files: {
    /** What hkd has out of the database: it wins over the others. */
    readonly given: string
    readonly key: string
    readonly cert: string
    /** Authorities of clients. */
    readonly ca: string | undefined
    /** Their lists of revoked certificates, one behind the other. */
    readonly crl: string | undefined
  }
  readonly versions: TlsVersions
  /** OpenSSL's list; `undefined`: Node's own. */
  readonly ciphers: string | undefined
  /** Whether clients are asked for a certificate, and whether they may be without. */
  readonly clients: 'not asked' | 'asked' | 'required'
}

/** A person may be asked in the middle of a handshake whether she trusts our certificate. */
const HANDSHAKE_MS = 120_000
/** How long a client may take a session up again, if its key is still there. */
const SESSION_SECONDS = 28_800
/** What else could differ from process to process. */
const SESSION_CONTEXT = 'ostler door'

/** TLS for connections that somebody else accepts: they are given to a server by `emit('connection', socket)`. */
export interface DoorTls extends Disposable {
  /** @param ticketKeys by their names, those under which the client's tickets were sealed. */
  serverFor(ticketKeys: readonly string[]): Server
}

export interface TlsParts {
  /** `undefined`: sessions are taken up again in this process alone. */
  readonly ticketKeys: TicketKeys | undefined
  /** Gets each server before it gets connections. */
  readonly prepare: (server: Server) => void
  /** How often the files are looked at, in milliseconds. */
  readonly lookEveryMs: number
  readonly log: Log
}

/**
 * Opens the door's TLS. Node's server knows one key for tickets, so there is one for each key that still counts.
 *
 * @throws Fault `config.invalid` when a file is missing or is not what it should be.
 */
export function openTls(settings: TlsSettings, parts: TlsParts): DoorTls {
  const { log } = parts
  // Where certificates are asked for there are no tickets.
  const keys = settings.clients === 'not asked' ? parts.ticketKeys : undefined
  let context = readContext(settings)
  let seen = stampOf(settings)
  const make = (key: Buffer | undefined): Keyed => {
    const ticketKeys = key === undefined ? {} : { ticketKeys: key }
    const server = createServer({
      ...context,
      ...ticketKeys,
      sessionTimeout: SESSION_SECONDS,
      sessionIdContext: SESSION_CONTEXT,
      // HTTP/2 has no upgrade to a raw stream.
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: HANDSHAKE_MS,
      requestCert: settings.clients !== 'not asked',
      // Refused by us, so that the log says why.
      rejectUnauthorized: false,
    })
    parts.prepare(server)
    const renew = (): void =>
      server.setSecureContext({
        ...context,
        ...ticketKeys,
        sessionTimeout: SESSION_SECONDS,
        sessionIdContext: SESSION_CONTEXT,
      })
    return { name: key === undefined ? '' : keyName(key), server, renew }
  }
  const first = make(keys?.current()[0])
  let all = [first]
  const follow = (): void => {
    all = (keys?.current() ?? []).map((key) => all.find(({ name }) => name === keyName(key)) ?? make(key))
  }
  if (keys !== undefined) {
    follow()
    keys.onChange(follow)
  }
  const timer = setInterval(() => {
    const now = stampOf(settings)
    if (now === seen) return
    seen = now
    try {
      context = readContext(settings)
      for (const { renew } of all) renew()
      log.info('certificates read again')
    } catch (error) {
      log.error('the new certificates are not used; the old ones stay', { error })
    }
  }, parts.lookEveryMs)
  return {
    serverFor: (names) => (all.find(({ name }) => names.includes(name)) ?? all[0] ?? first).server,
    [Symbol.dispose]: () => clearInterval(timer),
  }
}

/** A server, and the name of the key under which it seals tickets. */
interface Keyed {
  readonly name: string
  readonly server: Server
  /** Shows what now lies in the files to who comes from now on. */
  readonly renew: () => void
}

function readContext({ files, versions, ciphers, clients }: TlsSettings): SecureContextOptions {
  const problems: string[] = []
  const readFile = (key: string, path: string): string => {
    try {
      return readFileSync(path, 'utf8')
    } catch (error) {
      problems.push(`${key}: ${path} cannot be read: ${error instanceof Error ? error.message : ''}`)
      return ''
    }
  }
  const given = readGivenPems(files.given)
  const key = given?.key ?? readFile('path.l7r.ssl.key', files.key)
  const cert = given?.cert ?? readFile('path.l7r.ssl.cert', files.cert)
  const asks = clients !== 'not asked'
  const textOf = (name: 'ca' | 'crl'): string | undefined => {
    const path = files[name]
    if (!asks) return undefined
    return given?.[name] ?? (path === undefined ? undefined : readFile(`path.l7r.ssl.${name}`, path))
  }
  const [ca, crl] = [textOf('ca'), textOf('crl')]
  if (asks && ca === undefined)
    problems.push('path.l7r.ssl.ca must be set: it says whose client certificates are good')
  const lists = crl?.match(/-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g) ?? []
  if (crl !== undefined && lists.length === 0)
    problems.push('path.l7r.ssl.crl holds no list of revoked certificates in PEM')
  const options: SecureContextOptions = {
    key,
    cert,
    minVersion: versions.min,
    maxVersion: versions.max,
    ...(ciphers === undefined ? {} : { ciphers }),
    ...(ca === undefined ? {} : { ca }),
    ...(lists.length === 0 ? {} : { crl: [...lists] }),
    // A session that is taken up again would not be held against the list of revoked certificates.
    ...(asks ? { secureOptions: constants.SSL_OP_NO_TICKET } : {}),
  }
  try {
    if (problems.length === 0) createSecureContext(options)
  } catch (error) {
    problems.push(`the door's certificates: ${error instanceof Error ? error.message : ''}`)
  }
  if (problems.length > 0) throw new Fault('config.invalid', { problems: problems.join('\n') })
  return options
}

/** Changes when one of the files does. */
function stampOf({ files }: TlsSettings): string {
  return Object.values(files)
    .map((path) => {
      const found = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false, bigint: true })
      return found === undefined ? '-' : `${found.ino} ${found.size} ${found.mtimeNs}`
    })
    .join(', ')
}
