import { randomInt } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

/** Who is at the other end of a connection, and what stays the same from one request to the next. */
export interface Connection {
  /** Names the connection in every log, to its client, and to whoever she tells it: twelve letters and digits. */
  readonly id: string
  /** The client's address as text, without a zone and without the IPv4-in-IPv6 prefix. */
  readonly address: string
  /** The certificate that the client has proved to own; `undefined` without one. */
  readonly certificate: ClientCertificate | undefined
  /** Aborts when the connection closes. */
  readonly closed: AbortSignal
}

/** What a verified client certificate says about its holder. */
export interface ClientCertificate {
  /** The common name of the subject; empty when there is none. */
  readonly commonName: string
  /** Mail addresses and user principal names among the alternative names. */
  readonly names: readonly string[]
  /** SHA-256 of the certificate, in lower case hex without colons. */
  readonly fingerprint: string
}

/** A request at the door, however its bytes were read. */
export interface DoorRequest {
  readonly method: string
  /** The target without its query, as it stood in the request. */
  readonly path: string
  /** The query's parameters, decoded; a repeated one counts as its last value. */
  readonly parameters: ReadonlyMap<string, string>
  /** A header's value by its name in lower case; of several lines, all of them joined by ", ". */
  readonly headers: ReadonlyMap<string, string>
  readonly connection: Connection
}

/** Path and query parameters of a request target; a repeated key counts as its last value. */
export function parseTarget(target: string): Pick<DoorRequest, 'path' | 'parameters'> {
  const question = target.indexOf('?')
  if (question === -1) return { path: target, parameters: new Map() }
  return {
    path: target.slice(0, question),
    parameters: new Map(new URLSearchParams(target.slice(question + 1))),
  }
}

const connections = new WeakMap<object, Connection>()

/** A request that Node's parser has read. */
export function fromIncoming(message: IncomingMessage): DoorRequest {
  const headers = Object.entries(message.headersDistinct).map(
    ([name, values = []]) => [name, values.join(', ')] as const,
  )
  return {
    method: message.method ?? '',
    ...parseTarget(message.url ?? ''),
    headers: new Map(headers),
    connection: connectionOf(message.socket),
  }
}

/**
 * Says once who is at the other end of a socket, for every request that comes on it.
 *
 * @param who without `address`: that of the socket's peer.
 */
export function openConnection(
  socket: Socket,
  who: { readonly address?: string; readonly certificate?: ClientCertificate | undefined } = {},
): Connection {
  const closed = new AbortController()
  socket.once('close', () => closed.abort(new Error('the client left')))
  const connection: Connection = {
    id: connectionId(),
    address: who.address ?? plainAddress(socket.remoteAddress),
    certificate: who.certificate,
    closed: closed.signal,
  }
  connections.set(socket, connection)
  return connection
}

/** An address without a zone and without the IPv4-in-IPv6 prefix. */
export function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/i, '').replace(/%.*$/, '')
}

/** None of its letters and digits is taken for another when somebody reads it out. */
const ID_LETTERS = 'abcdefghjkmnpqrstuvwxyz23456789'

function connectionId(): string {
  return Array.from({ length: 12 }, () => ID_LETTERS[randomInt(ID_LETTERS.length)]).join('')
}

/** Who is at the other end of a socket that came through `openConnection`. */
export function connectionOf(socket: Socket): Connection {
  return connections.get(socket) ?? openConnection(socket)
}
