import { Fault, type FaultCode } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Socket } from 'node:net'
import { SocketInput } from '../listen/socket-input.ts'
import { isStreamPath, type QvdEndpoints } from '../qvd-endpoints.ts'
import { closeGently, replyFault, replyInTurn, replyOn } from '../respond.ts'
import type { Refusal } from './head-parser.ts'
import { HeadReader, type RequestHead } from './head-reader.ts'
import { type Connection, type DoorRequest, parseTarget } from './request.ts'

/** How long a client may take, in milliseconds. */
export interface DialectTimes {
  /** From a connection's begin to the first byte of its first request, and of any request from first byte to last. */
  readonly headMs: number
  /** From one answer to the next request. */
  readonly idleMs: number
  /** To take an answer. */
  readonly writeMs: number
}

export interface DialectParts {
  readonly nx: QvdEndpoints
  /** Takes a connection whose next request is not ours; its bytes are back in the socket. */
  readonly handOver: (socket: Socket) => void
  readonly times: DialectTimes
  readonly stopping: AbortSignal
  /** Aborts when no further request is taken: connections that wait for one are closed. */
  readonly draining: AbortSignal
  readonly log: Log
}

const FAULT_OF: Readonly<Record<Refusal, FaultCode & `request.${string}`>> = {
  400: 'request.malformed',
  431: 'request.tooLarge',
  505: 'request.version',
}

/**
 * Speaks HTTP/1.1 as QVD's clients do with one of them: request by request, answer by answer, until either side
 * closes, an upgrade takes the socket, or a request comes that is not ours. Never rejects.
 *
 * No request here has a body. Behind one that says it has, nothing is read as a request any more.
 */
export async function speakDialect(
  socket: Socket,
  connection: Connection,
  parts: DialectParts,
): Promise<void> {
  const input = new SocketInput(socket)
  try {
    await converse(socket, input, connection, parts)
  } catch (error) {
    parts.log.error('connection failed', { error })
    socket.destroy()
  } finally {
    input.release()
  }
}

async function converse(
  socket: Socket,
  input: SocketInput,
  connection: Connection,
  parts: DialectParts,
): Promise<void> {
  const { times, nx, log } = parts
  const reader = new HeadReader((path) => !nx.owns(path))
  for (let waitMs = times.headMs; ; waitMs = times.idleMs) {
    const read = await readHead(reader, input, waitMs, parts)
    switch (read.kind) {
      case 'gone':
        return void socket.destroy()
      case 'ended':
        return void closeGently(socket)
      case 'slow':
        return void replyFault(replyOn(socket), new Fault('request.tooSlow'), log)
      case 'refused':
        log.debug('not our http', { address: connection.address, status: read.status })
        return void replyFault(replyOn(socket), new Fault(FAULT_OF[read.status]), log)
      case 'elsewhere':
        input.release()
        // Nothing can be put back behind the end of what a client says.
        if (socket.readableEnded) return void closeGently(socket)
        socket.unshift(reader.takeRest())
        return void parts.handOver(socket)
      case 'head':
        break
    }
    const request = doorRequest(read.head, connection)
    if (asksForStream(request)) {
      if (read.head.hasBody) return void replyFault(replyOn(socket), new Fault('request.malformed'), log)
      input.release()
      return void (await nx.connect(request, socket, reader.takeRest(), parts.stopping))
    }
    const reply = replyInTurn(socket)
    await nx.handle(request, reply)
    // Nobody answers a client who left.
    if (connection.closed.aborted) return
    await reply.sent
    if (read.head.hasBody || says(request, 'close')) {
      input.release()
      return void closeGently(socket)
    }
    if (!(await input.drained(times.writeMs))) return void socket.destroy()
  }
}

type NextHead =
  | Exclude<ReturnType<HeadReader['next']>, { kind: 'incomplete' }>
  /** The connection is closed or has nothing to say any more. */
  | { readonly kind: 'gone' | 'ended' }
  /** A head began and did not end in its time. */
  | { readonly kind: 'slow' }

async function readHead(
  reader: HeadReader,
  input: SocketInput,
  idleMs: number,
  { times: { headMs }, draining }: DialectParts,
): Promise<NextHead> {
  let until = performance.now() + idleMs
  let begun = false
  for (;;) {
    const read = reader.next()
    if (read.kind !== 'incomplete') return read
    if (read.begun && !begun) {
      begun = true
      until = performance.now() + headMs
    }
    const chunk = await input.read(until - performance.now(), begun ? undefined : draining)
    if (typeof chunk !== 'string') reader.push(chunk)
    else if (chunk === 'late') return { kind: begun ? 'slow' : 'ended' }
    else return { kind: chunk }
  }
}

function doorRequest({ method, target, headers }: RequestHead, connection: Connection): DoorRequest {
  return { method, ...parseTarget(target), headers, connection }
}

/** An upgrade for a stream. Perl clients send upgrade headers with `stop_vm` too: such a request is an ordinary one. */
function asksForStream(request: DoorRequest): boolean {
  const { method, path, headers } = request
  return method === 'GET' && isStreamPath(path) && headers.has('upgrade') && says(request, 'upgrade')
}

/** True when a word is among those of the `Connection` header. */
function says({ headers }: DoorRequest, word: string): boolean {
  const words = headers.get('connection')?.toLowerCase().split(',') ?? []
  return words.some((said) => said.trim() === word)
}
