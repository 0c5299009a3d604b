import { Fault } from '@ostler/contract/fault.ts'
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { repeatedKey } from './json-keys.ts'

const MAX_BODY = 65_536

/**
 * Reads a JSON body of at most 64 kB.
 * @throws Fault `request.invalid` when it is longer, no JSON, or says a key twice.
 */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MAX_BODY) throw new Fault('request.invalid', { problem: `more than ${MAX_BODY} bytes` })
    chunks.push(chunk)
  }
  if (length === 0) return {}
  const text = Buffer.concat(chunks).toString('utf8')
  let body: unknown
  try {
    body = JSON.parse(text) as unknown
  } catch (cause) {
    throw new Fault('request.invalid', { problem: 'the body is not JSON' }, { cause })
  }
  const repeated = repeatedKey(text)
  if (repeated !== undefined)
    throw new Fault('request.invalid', { problem: `"${repeated.slice(0, 100)}" is given twice` })
  return body
}

/** Answers with JSON and ends the response. */
export function answerJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body)
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
  })
  response.end(text)
}

/** Answers with a fault; anything that is none becomes `server.internal` without details. */
export function answerFault(response: ServerResponse, error: unknown): void {
  const fault = asFault(error)
  if (response.headersSent) response.destroy()
  else answerJson(response, fault.status, fault.toJSON())
}

/** Answers an upgrade with a fault, on its raw connection, and ends it. */
export function refuseUpgrade(socket: Duplex, error: unknown): void {
  const fault = asFault(error)
  const body = JSON.stringify(fault.toJSON())
  socket.end(
    `HTTP/1.1 ${fault.status} ${STATUS_CODES[fault.status] ?? ''}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
}

function asFault(error: unknown): Fault {
  return error instanceof Fault ? error : new Fault('server.internal', { reference: 'see the log' })
}
