import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { getCACertificates } from 'node:tls'
import type { CustomFetch } from 'openid-client'

/** Longer answers are none that a provider gives. */
const MAX_ANSWER = 1 << 20
const NO_BODY = new Set([101, 204, 205, 304])

/**
 * HTTP to the provider: TLS only, with the authorities of the system or those of one file alone, no redirects, and
 * answers of bounded length. Node's own `fetch` cannot be told whom to trust.
 *
 * @param caFile PEM; `undefined`: what comes with Node, and what the system's administrator has added.
 */
export function providerFetch(caFile: string | undefined): CustomFetch {
  const ca =
    caFile === undefined
      ? [...getCACertificates('bundled'), ...getCACertificates('system')]
      : readFileSync(caFile, 'utf8')
  return (url, { method, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      // A connection of its own for each: they are few, and none is ever found half dead.
      const sent = request(url, { method, headers, ca, agent: false, ...(signal ? { signal } : {}) })
      sent.once('error', reject)
      sent.once('response', (answer) => {
        const chunks: Buffer[] = []
        let length = 0
        answer.on('data', (chunk: Buffer) => {
          length += chunk.length
          if (length > MAX_ANSWER) sent.destroy(new Error(`the answer of ${new URL(url).host} is too long`))
          else chunks.push(chunk)
        })
        answer.once('error', reject)
        answer.once('end', () => {
          const status = answer.statusCode ?? 0
          const lines = Object.entries(answer.headersDistinct).flatMap(([name, values = []]) =>
            values.map((value): [string, string] => [name, value]),
          )
          const content = NO_BODY.has(status) ? null : Buffer.concat(chunks)
          resolve(new Response(content, { status, headers: lines }))
        })
      })
      // Bodies are forms: openid-client passes nothing else here.
      sent.end(body === null || body === undefined ? undefined : String(body as URLSearchParams))
    })
}
