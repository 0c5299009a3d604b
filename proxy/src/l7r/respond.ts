import { FAULT_HEADER, VM_INFO_HEADER } from '@ostler/contract/desktop.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { cause } from '@ostler/kit/log/cause.ts'
import type { Log } from '@ostler/kit/log.ts'
import { randomBytes } from 'node:crypto'
import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'

/** The C client watches its socket in one-second windows (compatibility page 12 D). */
const INTERIM_EVERY_MS = 800
const FIRST_INTERIM_MS = 500
const LINGER_MS = 2_000
const MAX_FAULT_TEXT = 2_048

/** The answer to one request, however its connection stands. */
export interface Reply {
  /** Sends an interim response `102` with a text for the user; control characters in it become blanks. */
  interim(text: string): void
  /** Sends the final response, once. Of an error, head and body go in separate writes: the C client waits otherwise. */
  final(status: number, contentType: string, body: string, headers?: Readonly<Record<string, string>>): void
}

/** A request that Node's parser has read. */
export function replyTo(response: ServerResponse): Reply {
  response.sendDate = false
  return {
    interim: (text) => void response.writeInformation(102, { [VM_INFO_HEADER]: headerText(text) }),
    final: (status, contentType, body, headers = {}) => {
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, headerText(value))
      response.writeHead(status, {
        'Content-Type': contentType,
        'Content-Length': Buffer.byteLength(body),
      })
      response.flushHeaders()
      setImmediate(() => response.end(body))
    },
  }
}

/** A request on a raw socket whose answer closes it. */
export function replyOn(socket: Duplex): Reply {
  const reply = replyInTurn(socket)
  void reply.sent.then(() => closeGently(socket))
  return reply
}

/** The same in one write: for clients other than QVD's, and a socket that somebody else may end meanwhile. */
export function replyAtOnce(socket: Duplex): Reply {
  return {
    interim: () => {},
    final: (...answer) => {
      const { head, body } = bytesOf(...answer)
      socket.write(head + body, 'latin1')
      closeGently(socket)
    },
  }
}

/** A request on a raw socket that others may follow; `sent` resolves when its final response has been written. */
export function replyInTurn(socket: Duplex): Reply & { readonly sent: Promise<void> } {
  let written: () => void
  const sent = new Promise<void>((resolve) => (written = resolve))
  return {
    sent,
    interim: (text) => {
      socket.write(`HTTP/1.1 102 Processing\r\n${VM_INFO_HEADER}: ${headerText(text)}\r\n\r\n`, 'latin1')
    },
    final: (...answer) => {
      const { head, body } = bytesOf(...answer)
      if (answer[0] < 400) {
        socket.write(head + body, 'latin1')
        return written()
      }
      socket.write(head, 'latin1')
      setImmediate(() => {
        socket.write(body, 'latin1')
        written()
      })
    },
  }
}

/** A final response, each byte one character. */
function bytesOf(...[status, contentType, text, headers = {}]: Parameters<Reply['final']>): {
  readonly head: string
  readonly body: string
} {
  const body = Buffer.from(text).toString('latin1')
  const lines = { 'Content-Type': contentType, 'Content-Length': String(body.length), ...headers }
  const fields = Object.entries(lines).map(([name, value]) => `${name}: ${headerText(value)}\r\n`)
  return { head: `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${fields.join('')}\r\n`, body }
}

/** Closes a connection so that its last answer arrives, also when the client goes on sending or never closes. */
export function closeGently(socket: Duplex): void {
  socket.end()
  // What came and was not read would turn our close into a reset, and the answer would be lost on the way.
  socket.resume()
  const deadline = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(deadline))
}

/** A text as it can stand in a header: UTF-8, each byte one character, and nothing that would end the line. */
function headerText(text: string): string {
  return Buffer.from(text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ')).toString('latin1')
}

/** Answers with JSON in ASCII, as QVD's clients expect. */
export function replyJson(reply: Reply, body: unknown): void {
  reply.final(200, 'application/json', `${ascii(JSON.stringify(body, undefined, 3))}\n`)
}

function ascii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/**
 * Answers a failure: status and text of the fault. What nobody foresaw is logged with a reference and told by
 * that reference alone.
 */
export function replyFault(reply: Reply, error: unknown, log: Log): void {
  const fault = asFault(error, log)
  const challenge = fault.status === 401 ? { 'WWW-Authenticate': 'Basic realm="QVD"' } : {}
  const headers = { ...challenge, [FAULT_HEADER]: faultText(fault) }
  reply.final(fault.status, 'text/plain', `${sentence(fault)}${referenceOf(fault)}\r\n`, headers)
}

/** The code and what it is about, for clients that know our codes; what is too long for a header is left away. */
function faultText({ code, detail }: Fault): string {
  const whole = ascii(JSON.stringify({ fault: code, detail }))
  return whole.length <= MAX_FAULT_TEXT ? whole : JSON.stringify({ fault: code })
}

/** Failures after a desktop was acquired are wrapped as QVD's clients know them. */
function sentence(fault: Fault): string {
  const late = /^(session|agent|hook|home)\.|^display\.unreachable$|^desktop\.(start|queue)/.test(fault.code)
  return late
    ? `The requested virtual machine is not available: ${fault.message}, retry later.`
    : fault.message
}

/** Failures whose sentence is not all that there is to know: the logs tell more. */
const REFERRED =
  /^(agent|session|display|hook|home)\.|^(auth|database)\.unavailable$|^desktop\.start(Failed|Timeout)$/

/**
 * What a person tells an administrator about a failure that is not hers: by it all lines about it are found.
 * @returns such as ` (reference k7m2x9pq4rst)`, or nothing.
 */
export function referenceOf(fault: Fault, connection = cause()): string {
  if (connection === undefined || fault.status < 500 || !REFERRED.test(fault.code)) return ''
  return ` (reference ${connection})`
}

/** Turns anything that was thrown into a fault; what is none gets a reference to the log: the connection's id. */
export function asFault(error: unknown, log: Log, connection = cause()): Fault {
  if (error instanceof Fault) return error
  const reference = connection ?? randomBytes(6).toString('hex')
  log.error('unexpected failure', { reference, error })
  return new Fault('server.internal', { reference }, { cause: error })
}

/** What a client hears while it waits. */
export interface InterimProgress extends Disposable {
  /** Sends a text at once, and again while nothing is new. */
  readonly progress: (text: string) => void
  /** The same, but only if the wait becomes long enough for a client to notice. */
  readonly later: (text: string) => void
}

/** Sends interim responses for a wait: each new text at once, and the last one again while nothing is new. */
export function interimProgress(reply: Reply): InterimProgress {
  let last = 'Processing'
  let timer: NodeJS.Timeout | undefined
  const send = (): void => {
    reply.interim(last)
    clearTimeout(timer)
    timer = setTimeout(send, INTERIM_EVERY_MS)
  }
  return {
    progress: (text) => {
      last = text
      send()
    },
    later: (text) => {
      last = text
      clearTimeout(timer)
      timer = setTimeout(send, FIRST_INTERIM_MS)
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  }
}
