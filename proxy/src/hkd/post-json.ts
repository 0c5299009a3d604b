import { request as plain } from 'node:http'
import { request as secure } from 'node:https'

export interface PostSettings {
  readonly headers?: Readonly<Record<string, string>>
  /** Authorities by which the server's certificate is checked, PEM; those of the system when not given. */
  readonly ca?: Buffer
  readonly signal: AbortSignal
}

/**
 * Posts JSON. A redirection is not followed: it would take the body elsewhere.
 * @throws Error when it does not arrive, is not taken, or the signal aborts.
 */
export async function postJson(url: URL, body: string, settings: PostSettings): Promise<void> {
  const { ca, signal } = settings
  const headers = {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    ...settings.headers,
  }
  const status = await new Promise<number>((resolve, reject) => {
    const options = { method: 'POST', headers, signal, agent: false } as const
    const outgoing =
      url.protocol === 'https:'
        ? secure(url, { ...options, ...(ca === undefined ? {} : { ca }) })
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
}
