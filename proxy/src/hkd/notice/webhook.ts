import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { postJson } from '../post-json.ts'
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

/** Tells by a POST of JSON (docs/health.md). */
export function webhook({ node, url, secretFile, ca }: WebhookSettings): Tell {
  return async (notices, signal) => {
    const body = JSON.stringify({ version: 1, node, notices })
    const timestamp = String(Math.floor(Date.now() / 1_000))
    const signed =
      secretFile === undefined
        ? {}
        : { 'X-Ostler-Signature': signatureOf(secretIn(secretFile).reveal(), timestamp, body) }
    const headers = { 'User-Agent': 'ostler-hkd', 'X-Ostler-Timestamp': timestamp, ...signed }
    const authorities = ca === undefined || url.protocol !== 'https:' ? {} : { ca: readFileSync(ca) }
    await postJson(url, body, { headers, signal, ...authorities })
    return undefined
  }
}
