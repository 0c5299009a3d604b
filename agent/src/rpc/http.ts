import { Fault, type FaultBody } from '@ostler/contract/fault.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'

const MAX_BODY = 65_536

/**
 * Reads a JSON body of at most 64 kB.
 * @throws Fault `request.invalid` when it is longer or no JSON.
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
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown
  } catch (cause) {
    throw new Fault('request.invalid', { problem: 'the body is not JSON' }, { cause })
  }
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
  const fault = error instanceof Fault ? error : new Fault('server.internal', { reference: 'see the log' })
  const body: FaultBody = fault.toJSON()
  if (response.headersSent) response.destroy()
  else answerJson(response, fault.status, body)
}
