import { roleOf } from '@ostler/contract/identity.ts'
import type { Log } from '@ostler/kit/log.ts'
import { warnSeldom } from '@ostler/kit/log/seldom.ts'
import { constants } from 'node:crypto'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { CallerIdentity } from '../../guest/agent-link.ts'

/** Doors of other nodes, which come to the same port as users do. */
export interface HopEntry {
  /** What they ask for by ALPN. */
  readonly protocol: string
  /** What we show them, the same object until it is another. */
  readonly identity: () => CallerIdentity
  /** Gets each connection of a door, paused. */
  readonly serve: (socket: TLSSocket, address: string) => void
}

const HANDSHAKE_MS = 5_000
/** Lines about those who are no doors. */
const REFUSALS = { lines: 20, everyMs: 60_000 }

/** TLS for hops: our public certificate is not shown, and who comes must show that it is a door of this installation. */
export class HopTls {
  readonly #server: Server
  readonly #entry: HopEntry
  readonly #log: Log
  readonly #warn: ReturnType<typeof warnSeldom>
  #identity: CallerIdentity | undefined

  /** The connections it is given come out by its event `secureConnection`. */
  constructor(entry: HopEntry, log: Log) {
    this.#entry = entry
    this.#log = log
    this.#warn = warnSeldom(log, REFUSALS)
    this.#server = createServer({
      ALPNProtocols: [entry.protocol],
      handshakeTimeout: HANDSHAKE_MS,
      minVersion: 'TLSv1.3',
      requestCert: true,
      // Refused by us, so that the log says why.
      rejectUnauthorized: false,
    })
  }

  /** The server as it is to be given a connection now; `undefined` while hkd has issued no identity. */
  ready(): Server | undefined {
    try {
      const identity = this.#entry.identity()
      if (identity !== this.#identity) {
        const { key, certificate: cert, authority: ca } = identity
        const secureOptions = constants.SSL_OP_NO_TICKET
        this.#server.setSecureContext({ key, cert, ca, minVersion: 'TLSv1.3', secureOptions })
        this.#identity = identity
      }
    } catch (error) {
      this.#log.warn('no identity for hops', { error })
      if (this.#identity === undefined) return undefined
    }
    return this.#server
  }

  get server(): Server {
    return this.#server
  }

  /** Says that somebody was not let in who may be anybody. */
  refused(fields: { readonly address?: string; readonly reason: string }): void {
    this.#warn('hop refused', fields)
  }

  /** Gives a connection on when the other end is a door, and closes it otherwise. @returns whether it was given on. */
  admit(socket: TLSSocket, address: string): boolean {
    const reason = refusalOf(socket)
    if (reason !== undefined) {
      this.refused({ address, reason })
      socket.destroy()
      return false
    }
    socket.allowHalfOpen = true
    this.#entry.serve(socket, address)
    return true
  }
}

function refusalOf(socket: TLSSocket): string | undefined {
  if (socket.getPeerX509Certificate() === undefined) return 'no certificate'
  if (!socket.authorized) return String(socket.authorizationError)
  const role = roleOf(socket.getPeerCertificate().subjectaltname)
  return role === 'l7r' ? undefined : `a certificate for ${role ?? 'nothing of ours'}`
}
