import type { Secret } from '@ostler/kit/secret.ts'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from './fault.ts'
import { HeadError, readExactly, readHead, type SlaveHead } from './slave-head.ts'

/** A request to the other end. */
export interface SlaveCall {
  readonly method: 'GET' | 'POST' | 'PUT'
  /** Raw: nothing is encoded, and a line break in it is refused. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** How long the other end may neither take a piece of the body nor answer, also not in between by a 102; 30 s by default. */
  readonly patienceMs?: number
}

/** What the other end said. */
export interface SlaveReply {
  readonly status: number
  /** By their names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  /** What it said, without control characters; empty for a 101. */
  readonly text: string
  /** For a 101: what came behind it already. */
  readonly head: Buffer
}

const ANSWER_MS = 30_000
const END_MS = 1_000
const MAX_ANSWER = 65_536
/** Interim answers of one call; who sends more keeps us busy for nothing. */
const MAX_INTERIM = 10_000
const PIECE = 65_536
const MEETING_PAUSES_MS = [50, 200, 800]

/**
 * Sends one request over a stream of the slave channel and reads its answer; interim ones are passed over.
 * The stream stays open, also when this throws: it is the caller's.
 *
 * @param key `undefined` where the socket itself says who calls.
 * @throws Fault `slave.ended` when the stream ends before the first byte of an answer, `slave.silent` when what comes is none, or
 *   nothing comes for as long as the call is patient.
 */
export async function callSlave(
  stream: Duplex,
  key: Secret | undefined,
  call: SlaveCall,
): Promise<SlaveReply> {
  const { body = new Uint8Array(), headers = {}, patienceMs = ANSWER_MS } = call
  const all = {
    ...(key === undefined ? {} : { Authorization: `Basic ${key.reveal()}` }),
    ...headers,
    ...(body.length === 0 ? {} : { 'Content-Length': String(body.length) }),
  }
  const lines = [
    `${call.method} ${call.path} HTTP/1.1`,
    ...Object.entries(all).map((pair) => pair.join(': ')),
  ]
  const broken = lines.find((line) => /[\0\r\n]/.test(line))
  if (broken !== undefined)
    throw new Fault('request.invalid', { problem: 'a path of the slave channel has a line break' })
  stream.write(`${lines.join('\r\n')}\r\n\r\n`)
  try {
    await writeBody(stream, body, patienceMs)
    return await readReply(stream, patienceMs)
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('slave.silent', { reason }, { cause })
  }
}

/**
 * A call whose answer is a text. The other end is asked to close the stream, and is waited for: NX's channels take the number of a
 * stream that was closed from this side for the next one, which the late echo of that end then kills (docs/decisions/0050).
 *
 * @throws Fault as `callSlave`. The stream is closed in any case.
 */
export async function askSlave(
  stream: Duplex,
  key: Secret | undefined,
  call: SlaveCall,
): Promise<SlaveReply> {
  try {
    const reply = await callSlave(stream, key, { ...call, headers: { Connection: 'close', ...call.headers } })
    if (reply.status !== 101) await ended(stream)
    return reply
  } finally {
    stream.destroy()
  }
}

/**
 * Calls again when the stream ended before its first answer, with nothing done: the end of an earlier one may have met it
 * (docs/decisions/0050). The pauses grow, because that takes as long as the line is slow.
 *
 * @param signal ends the waiting.
 * @throws what the last call throws.
 */
export async function untilAnswered<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (const pause of MEETING_PAUSES_MS) {
    try {
      return await call()
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'slave.ended') throw error
      await sleep(pause, undefined, { signal })
    }
  }
  return await call()
}

function ended(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(resolve, END_MS)
    const done = (): void => {
      clearTimeout(late)
      resolve()
    }
    if (stream.destroyed || stream.readableEnded) return done()
    stream.once('end', done).once('close', done).resume()
  })
}

/** Writes a body piece by piece, until all of it has gone, or the other end wants no more and has said why. */
async function writeBody(stream: Duplex, body: Uint8Array, patienceMs: number): Promise<void> {
  for (let at = 0; at < body.length && stream.writable; at += PIECE) {
    const isTaken = await new Promise<boolean>((resolve) => {
      const late = setTimeout(() => resolve(false), patienceMs)
      const taken = (): void => {
        clearTimeout(late)
        stream.off('close', taken)
        resolve(true)
      }
      stream.once('close', taken)
      stream.write(body.subarray(at, at + PIECE), taken)
    })
    if (!isTaken) throw new HeadError(408, 'it takes nothing more')
  }
}

async function readReply(stream: Duplex, patienceMs: number): Promise<SlaveReply> {
  let before: Buffer = Buffer.alloc(0)
  for (let interim = 0; interim < MAX_INTERIM; interim++) {
    const read = await readHead(stream, before, patienceMs)
    if (read === undefined) {
      if (interim === 0) throw new Fault('slave.ended')
      throw new HeadError(400, 'it breaks off')
    }
    const status = Number(/^HTTP\/1\.[01] (\d{3})( |$)/.exec(read.head.line)?.[1])
    if (Number.isNaN(status)) throw new HeadError(400, 'it is no HTTP')
    const { headers } = read.head
    if (status === 101) return { status, headers, text: '', head: read.rest }
    before = read.rest
    if (status < 200) continue
    return { status, headers, text: await readText(stream, read.head, before), head: Buffer.alloc(0) }
  }
  throw new HeadError(400, 'it comes to no end')
}

async function readText(stream: Duplex, { headers }: SlaveHead, before: Buffer): Promise<string> {
  const length = Number(headers.get('content-length') ?? '0')
  if (!(length >= 0 && length <= MAX_ANSWER)) throw new HeadError(400, 'its answer is too long')
  const { body } = await readExactly(stream, before, length, ANSWER_MS)
  // It may be shown on a terminal, which obeys control characters.
  return body
    .toString('utf8')
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
}
