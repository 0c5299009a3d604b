import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { AsyncLocalStorage } from 'node:async_hooks'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { Server as TlsServer, TLSSocket } from 'node:tls'
import { type Connection, openConnection, plainAddress } from '../http/request.ts'
import { AddressLimit } from './address-limit.ts'
import { judgeClient } from './client-certificate.ts'
import { readClientHello } from './client-hello.ts'
import { type HopEntry, HopTls } from './hop-tls.ts'
import type { Networks } from './networks.ts'
import { parseProxyHeader } from './proxy-protocol.ts'
import { SocketInput } from './socket-input.ts'
import type { TicketKeys } from './ticket-keys.ts'
import { openTls, type TlsSettings } from './tls-server.ts'
import { TurnQueue } from './turn-queue.ts'

export interface ListenSettings {
  /** `*`: every address of the node. */
  readonly address: string
  /** 0: any free one. */
  readonly port: number
  /** A listening socket that is there already, by its number in the crew's first process; address and port are not used. */
  readonly givenSocket?: number | undefined
  /** `undefined`: plain HTTP. */
  readonly tls: TlsSettings | undefined
  /** Shared by all workers; without them sessions of TLS are taken up again in one process alone. */
  readonly ticketKeys?: TicketKeys | undefined
  /** Who speaks the PROXY protocol to us; nobody else may. */
  readonly balancers: Networks
  /** Connections of one address; 0: any number. */
  readonly perAddress: number
  readonly times?: Partial<ListenTimes>
}

/** Limits in milliseconds. */
export interface ListenTimes {
  /** Until a balancer has said for whom it speaks. */
  readonly balancerMs: number
  /** Until a client has said all of its first words of TLS and it was its turn. */
  readonly helloMs: number
  /** How often files of certificates are looked at. */
  readonly lookEveryMs: number
}

const TIMES: ListenTimes = { balancerMs: 5_000, helloMs: 10_000, lookEveryMs: 2_000 }
const MAX_CONNECTIONS = 8_192
/** A handshake costs about a millisecond, which those who are in must wait. */
const HANDSHAKES_PER_TURN = 2
const BACKLOG = 1_024
const MAX_RECORD = 16_640
const HANDSHAKE = 0x16
/** Doors of one address, beyond its users, that may be in their handshakes at a time. */
const HOPS_AT_ONCE = 64
/** A flood is said once in a while. */
const SAY_EVERY_MS = 60_000

interface Guest {
  readonly address: string
}

/** Whose a connection is. */
interface Arrival extends Guest {
  /** What came behind the words of a balancer. */
  readonly rest: Buffer
  /** It lacks what users must bring: only a door may come in this way. */
  readonly hopOnly: boolean
}

/** A listener whose connections have come through TLS and every limit. */
export interface DoorListener extends AsyncDisposable {
  readonly port: number
  /** Takes nobody in any more, and resolves when the last connection is closed. */
  drained(): Promise<void>
}

/**
 * Listens, and gives each connection to `serve`, paused, once it is known who is at the other end.
 *
 * @param hop doors of other nodes; they do not count among the users of their address and come past no balancer.
 * @throws Fault `node.portTaken`, `config.invalid`, or the system's error.
 */
export async function openListener(
  settings: ListenSettings,
  serve: (socket: Socket, connection: Connection) => void,
  log: Log,
  hop?: HopEntry,
): Promise<DoorListener> {
  const times = { ...TIMES, ...settings.times }
  const limit = new AddressLimit(settings.perAddress)
  const hopLimit = new AddressLimit(HOPS_AT_ONCE)
  const handshakes = new TurnQueue(HANDSHAKES_PER_TURN)
  const guests = new AsyncLocalStorage<Guest & { readonly leave: () => void }>()
  const open = new Set<Socket>()
  const tooMany = sayNowAndThen(log)

  const prepare = (server: TlsServer): void => {
    server.on('secureConnection', (socket) => {
      socket.on('error', () => socket.destroy())
      const guest = guests.getStore()
      if (guest === undefined || settings.tls === undefined) return void socket.destroy()
      const { address } = guest
      const client = admitClient(socket, settings.tls.clients, address, log)
      if (client === undefined) return void socket.destroy()
      socket.allowHalfOpen = true
      serve(socket, openConnection(socket, { address, ...client }))
    })
    server.on('tlsClientError', (error, socket) => {
      log.debug('no tls', { reason: error.message })
      socket.destroy()
    })
  }
  const { ticketKeys } = settings
  const { lookEveryMs } = times
  const tls = settings.tls && openTls(settings.tls, { ticketKeys, prepare, lookEveryMs, log })

  const hops = hop === undefined ? undefined : new HopTls(hop, log)

  /** Counts a connection until it is closed, or is known to be a door's. */
  const enter = (address: string, isHop: boolean): (() => void) | undefined => {
    const leave = (isHop ? hopLimit : limit).enter(address)
    if (leave === undefined) return undefined
    let counted = true
    return () => {
      if (counted) leave()
      counted = false
    }
  }

  const admit = async (socket: Socket): Promise<void> => {
    const input = new SocketInput(socket)
    const peer = plainAddress(socket.remoteAddress)
    const who = await readBalancer(input, peer, settings.balancers, times, hops !== undefined)
    if (who === undefined || input.isGone()) return void socket.destroy()
    const asUser = who.hopOnly ? undefined : enter(who.address, false)
    const leave = asUser ?? (hops === undefined ? undefined : enter(who.address, true))
    if (leave === undefined) {
      tooMany('too many connections of one address', who.address)
      return void socket.destroy()
    }
    socket.once('close', leave)
    const until = performance.now() + times.helloMs
    let first = who.rest
    if (tls === undefined && hops !== undefined && first.length === 0) {
      const chunk = await input.read(times.helloMs)
      if (typeof chunk !== 'string') first = chunk
    }
    if (tls === undefined && asUser !== undefined && !(hops !== undefined && first[0] === HANDSHAKE)) {
      input.release()
      if (first.length > 0) socket.unshift(first)
      return void serve(socket, openConnection(socket, { address: who.address }))
    }
    const hello = await readHello(input, first, until)
    const offer = readClientHello(hello ?? Buffer.alloc(0))
    const isHop = hop !== undefined && offer.protocols.includes(hop.protocol)
    if (asUser === undefined && !isHop) {
      if (!who.hopOnly) tooMany('too many connections of one address', who.address)
      return void socket.destroy()
    }
    const server = isHop ? hops?.ready() : tls?.serverFor(offer.ticketKeys)
    await handshakes.pass()
    input.release()
    const left = input.isGone() || socket.readableEnded || performance.now() > until
    if (hello === undefined || server === undefined || left) return void socket.destroy()
    socket.unshift(hello)
    const guest = { address: who.address, leave }
    guests.run(guest, () => server.emit('connection', socket))
  }

  hops?.server.on('secureConnection', (socket) => {
    socket.on('error', () => socket.destroy())
    const guest = guests.getStore()
    if (guest === undefined) return void socket.destroy()
    if (hops.admit(socket, guest.address)) guest.leave()
  })
  hops?.server.on('tlsClientError', (error, socket) => {
    hops.refused({ reason: error.message })
    socket.destroy()
  })
  // Who closes her side within a handshake has left; behind it she may still wait for an answer.
  const options = { pauseOnConnect: true, allowHalfOpen: tls === undefined, noDelay: true }
  const server = createServer(options, (socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    admit(socket).catch((error: unknown) => {
      log.error('connection not let in', { error })
      socket.destroy()
    })
  })
  server.maxConnections = MAX_CONNECTIONS
  server.on('drop', (dropped) => tooMany('too many connections', dropped?.remoteAddress))
  try {
    await listen(server, settings)
  } catch (error) {
    tls?.[Symbol.dispose]()
    throw error
  }
  let closed: Promise<void> | undefined
  const close = (): Promise<void> =>
    (closed ??= new Promise((resolve) => {
      server.close(() => resolve())
    }))
  return {
    port: (server.address() as AddressInfo).port,
    drained: close,
    [Symbol.asyncDispose]: async () => {
      tls?.[Symbol.dispose]()
      const done = close()
      for (const socket of open) socket.destroy()
      await done
    },
  }
}

/** Whose connection this is: what a balancer says, or the peer's own address. */
async function readBalancer(
  input: SocketInput,
  peer: string,
  balancers: Networks,
  { balancerMs }: ListenTimes,
  takesHops: boolean,
): Promise<Arrival | undefined> {
  if (!balancers.has(peer)) return { address: peer, rest: Buffer.alloc(0), hopOnly: false }
  const until = performance.now() + balancerMs
  for (let bytes = Buffer.alloc(0); ;) {
    const header = parseProxyHeader(bytes)
    // A door of another node may stand in the network of the balancers.
    const mayBeHop = takesHops && bytes[0] === HANDSHAKE
    if (header === 'wrong') return mayBeHop ? { address: peer, rest: bytes, hopOnly: true } : undefined
    if (header !== 'incomplete')
      return {
        address: plainAddress(header.address ?? peer),
        rest: bytes.subarray(header.length),
        hopOnly: false,
      }
    const chunk = await input.read(until - performance.now())
    if (typeof chunk === 'string') return undefined
    bytes = Buffer.concat([bytes, chunk])
  }
}

/** The whole of the first record: who sends it by drops must not hold a place among those whose turn it is. */
async function readHello(input: SocketInput, first: Buffer, until: number): Promise<Buffer | undefined> {
  for (let bytes = first; ;) {
    if (hasRecord(bytes)) return bytes
    const chunk = await input.read(until - performance.now())
    if (typeof chunk === 'string') return undefined
    bytes = Buffer.concat([bytes, chunk])
  }
}

/** True as well for what is no record: TLS says so in its own words. */
function hasRecord(bytes: Buffer): boolean {
  if (bytes.length === 0) return false
  if (bytes[0] !== HANDSHAKE) return true
  return bytes.length >= 5 && bytes.length >= 5 + Math.min(bytes.readUInt16BE(3), MAX_RECORD)
}

function admitClient(
  socket: TLSSocket,
  clients: TlsSettings['clients'],
  address: string,
  log: Log,
): Pick<Connection, 'certificate'> | undefined {
  if (clients === 'not asked') return { certificate: undefined }
  const verdict = judgeClient(socket)
  if (verdict.kind === 'certificate') return { certificate: verdict.certificate }
  if (verdict.kind === 'none' && clients === 'asked') return { certificate: undefined }
  log.warn('client certificate refused', { address, reason: verdict.reason })
  return undefined
}

function sayNowAndThen(log: Log): (message: string, address: string | undefined) => void {
  const last = new Map<string, number>()
  return (message, address) => {
    const now = performance.now()
    if (now - (last.get(message) ?? -Infinity) < SAY_EVERY_MS) return
    last.set(message, now)
    log.warn(message, { address })
  }
}

function listen(server: Server, { address, port, givenSocket }: ListenSettings): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (givenSocket !== undefined) {
        const problems = `the socket that the service manager gave cannot be listened on: ${error.message}`
        reject(new Fault('config.invalid', { problems }, { cause: error }))
      } else if (error.code !== 'EADDRINUSE') reject(error)
      else reject(new Fault('node.portTaken', { port, address, key: 'l7r.port' }, { cause: error }))
    })
    const place = { port, ...(address === '*' ? {} : { host: address }) }
    server.listen({ ...(givenSocket === undefined ? place : { fd: givenSocket }), backlog: BACKLOG }, resolve)
  })
}
