import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request as plain } from 'node:http'
import { request as secure } from 'node:https'
import type { Tell } from './notifier.ts'
import { secretIn } from './secret-file.ts'

export interface WebhookSettings {
  /** Name of this node. */
  readonly node: string
  readonly url: URL
  /** File with the key by which messages are signed; without: they are not. */
  readonly secretFile?: string | undefined
  /** File with the authorities by which the server's certificate is checked; those of the system when not given. */
  readonly ca?: string | undefined
}

/** How a receiver knows that a message is ours and new: HMAC-SHA-256 over the time, a point and the body. */
export function signatureOf(secret: string, timestamp: string, body: string): string {
  return `sha256=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`
}

/** Tells by a POST of JSON (docs/health.md). A redirection is not followed: it would take the message elsewhere. */
export function webhook({ node, url, secretFile, ca }: WebhookSettings): Tell {
  return async (notices, signal) => {
    const body = JSON.stringify({ version: 1, node, notices })
    const timestamp = String(Math.floor(Date.now() / 1_000))
    const signed =
      secretFile === undefined
        ? {}
        : { 'X-Ostler-Signature': signatureOf(secretIn(secretFile).reveal(), timestamp, body) }
    const headers = {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      'User-Agent': 'ostler-hkd',
      'X-Ostler-Timestamp': timestamp,
      ...signed,
    }
    const status = await new Promise<number>((resolve, reject) => {
      const options = { method: 'POST', headers, signal, agent: false } as const
      const outgoing =
        url.protocol === 'https:'
          ? secure(url, { ...options, ...(ca === undefined ? {} : { ca: readFileSync(ca) }) })
          : plain(url, options)
      outgoing.once('response', (response) => {
        resolve(response.statusCode ?? 0)
        // What it says besides is of no interest, and may be long.
        response.destroy()
      })
      outgoing.on('error', (error) =>
        reject(signal.aborted ? new Error('it took too long', { cause: error }) : error),
      )
      outgoing.end(body)
    })
    if (status < 200 || status > 299) throw new Error(`${url.host} answered ${status}`)
    return undefined
  }
}
