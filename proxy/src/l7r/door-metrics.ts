import { DISPLAY_KINDS, type DisplayKind } from '@ostler/contract/identity.ts'
import type { Socket } from 'node:net'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { SpliceEnd } from '../display/splice.ts'

/** How a connection came through TLS: `resumed` costs a tenth of `full`. */
export type Handshake = 'full' | 'resumed' | 'plain'

/** What a judgement of credentials came to. */
export type SignInOutcome = 'accepted' | 'refused' | 'limited' | 'unknown'

/** A stream that is counted while it goes on. */
export interface CountedStream {
  /** The display's first byte came so many seconds after the client's request. */
  firstByte(seconds: number): void
  /** It is over; called once. */
  ended(end: SpliceEnd): void
}

interface OpenStream {
  readonly display: DisplayKind
  readonly socket: Socket
  toClient: number
  toDisplay: number
}

const SHORT = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
const MINUTE = 60
const HOUR = 3_600
const LONG = [10, MINUTE, 5 * MINUTE, 30 * MINUTE, HOUR, 4 * HOUR, 8 * HOUR, 24 * HOUR, 72 * HOUR]

/**
 * What one process of the door counts. No label has a value that a client chooses: routes, kinds and reasons are
 * lists of ours, plugins are the administrator's.
 *
 * Bytes of streams that go on are read off their sockets when somebody looks; nothing is done for each of them.
 */
export class DoorMetrics {
  readonly registry = new Registry()
  readonly #streams = new Set<OpenStream>()

  readonly #connections = this.#counter('connections_total', 'Connections that came through every limit.', [
    'handshake',
  ])
  readonly #connectionsOpen = this.#gauge('connections_open', 'Connections that are open now.', [])
  readonly #requests = this.#counter('requests_total', 'Requests that were answered.', ['route', 'status'])
  readonly #requestSeconds = this.#histogram(
    'request_seconds',
    'From the head of a request to the end of its answer; of a stream, to its 101.',
    ['route'],
    SHORT,
  )
  readonly #interims = this.#counter('interims_total', 'Interim responses (102) to clients that wait.', [])
  readonly #signIns = this.#counter(
    'sign_ins_total',
    'Sign-ins that were judged, by the plugin that decided.',
    ['outcome', 'plugin'],
  )
  readonly #opening = this.#gauge('streams_opening', 'Clients that wait for their display now.', ['display'])
  readonly #streamsOpen = this.#gauge('streams_open', 'Display streams that go on now.', ['display'])
  readonly #streamsEnded = this.#counter(
    'streams_ended_total',
    'Display streams that are over, by what ended them.',
    ['display', 'by'],
  )
  readonly #bytes = this.#counter(
    'stream_bytes_total',
    'Bytes that display streams carried.',
    ['display', 'direction'],
    () => this.#countOpenStreams(),
  )
  readonly #streamSeconds = this.#histogram(
    'stream_seconds',
    'How long display streams that are over went on.',
    ['display'],
    LONG,
  )
  readonly #firstByte = this.#histogram(
    'first_byte_seconds',
    "From a client's request to the first byte of its display.",
    ['display'],
    SHORT,
  )
  readonly #seatsClaimed = this.#counter(
    'seats_claimed_total',
    'Desktops that were taken for a connection.',
    ['display'],
  )
  readonly #seatsLost = this.#counter('seats_lost_total', 'Connections that lost their desktop, by why.', [
    'reason',
  ])

  constructor() {
    for (const display of DISPLAY_KINDS) {
      this.#opening.set({ display }, 0)
      this.#streamsOpen.set({ display }, 0)
      this.#seatsClaimed.inc({ display }, 0)
      for (const direction of ['to_client', 'to_display']) this.#bytes.inc({ display, direction }, 0)
    }
    for (const reason of ['moved', 'disconnected']) this.#seatsLost.inc({ reason }, 0)
    for (const handshake of ['full', 'resumed', 'plain']) this.#connections.inc({ handshake }, 0)
  }

  /** A connection is ready for its first request. */
  connected(handshake: Handshake, socket: Socket): void {
    this.#connections.inc({ handshake })
    this.#connectionsOpen.inc()
    socket.once('close', () => this.#connectionsOpen.dec())
  }

  /** @param route one of a list, never a path as it came. */
  answered(route: string, status: number, seconds: number): void {
    this.#requests.inc({ route, status })
    this.#requestSeconds.observe({ route }, seconds)
  }

  interim(): void {
    this.#interims.inc()
  }

  signIn(outcome: SignInOutcome, plugin: string): void {
    this.#signIns.inc({ outcome, plugin })
  }

  /** A client begins to wait for a display; dispose of it when she has it or does not wait any more. */
  opening(display: DisplayKind): Disposable {
    this.#opening.inc({ display })
    return { [Symbol.dispose]: () => this.#opening.dec({ display }) }
  }

  seatClaimed(display: DisplayKind): void {
    this.#seatsClaimed.inc({ display })
  }

  seatLost(reason: 'moved' | 'disconnected'): void {
    this.#seatsLost.inc({ reason })
  }

  /** @param socket the display's end, whose own counters tell what went through. */
  streamOpens(display: DisplayKind, socket: Socket): CountedStream {
    const began = performance.now()
    const stream: OpenStream = { display, socket, toClient: 0, toDisplay: 0 }
    this.#streams.add(stream)
    this.#streamsOpen.inc({ display })
    return {
      firstByte: (seconds) => this.#firstByte.observe({ display }, seconds),
      ended: ({ by, bytesToClient, bytesToDisplay }) => {
        this.#streams.delete(stream)
        this.#streamsOpen.dec({ display })
        this.#countTo(stream, bytesToClient, bytesToDisplay)
        this.#streamsEnded.inc({ display, by })
        this.#streamSeconds.observe({ display }, (performance.now() - began) / 1_000)
      },
    }
  }

  #countOpenStreams(): void {
    for (const stream of this.#streams)
      this.#countTo(stream, stream.socket.bytesRead, stream.socket.bytesWritten)
  }

  /** Counts what is new; what was written but not sent yet may be seen twice, and counts once. */
  #countTo(stream: OpenStream, toClient: number, toDisplay: number): void {
    const { display } = stream
    this.#bytes.inc({ display, direction: 'to_client' }, Math.max(0, toClient - stream.toClient))
    this.#bytes.inc({ display, direction: 'to_display' }, Math.max(0, toDisplay - stream.toDisplay))
    stream.toClient = Math.max(stream.toClient, toClient)
    stream.toDisplay = Math.max(stream.toDisplay, toDisplay)
  }

  #counter<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    collect = (): void => {},
  ): Counter<L> {
    return new Counter({ ...this.#common(name, help, labelNames), collect })
  }

  #gauge<L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> {
    return new Gauge(this.#common(name, help, labelNames))
  }

  #histogram<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    buckets: number[],
  ): Histogram<L> {
    return new Histogram({ ...this.#common(name, help, labelNames), buckets })
  }

  #common<L extends string>(name: string, help: string, labelNames: readonly L[]) {
    return { name: `ostler_l7r_${name}`, help, labelNames, registers: [this.registry] }
  }
}
