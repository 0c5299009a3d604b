import { Fault, faultFromBody } from '@ostler/contract/fault.ts'
import { request } from 'node:http'

/** Speaks to the api over its unix socket. */
export interface ApiClient {
  get(path: string): Promise<unknown>
  post(path: string, body: unknown): Promise<unknown>
  patch(path: string, body: unknown): Promise<unknown>
  delete(path: string): Promise<unknown>
}

const ANSWER_MS = 30_000

/** @param socket path of the api's unix socket; who may open it is the administrator. */
export function apiClient(socket: string): ApiClient {
  const call = (method: string, path: string, body?: unknown): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const text = body === undefined ? '' : JSON.stringify(body)
      const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }
      const outgoing = request({ socketPath: socket, method, path, headers }, (response) => {
        response
          .toArray()
          .then((chunks) => {
            const answer = JSON.parse(Buffer.concat(chunks as Buffer[]).toString('utf8')) as unknown
            const failed = (response.statusCode ?? 500) >= 400
            if (failed)
              reject(faultFromBody(answer) ?? unreachable(`it answered ${response.statusCode ?? 0}`))
            else resolve(answer)
          })
          .catch(reject)
      })
      outgoing.setTimeout(ANSWER_MS, () => outgoing.destroy(new Error('no answer')))
      outgoing.once('error', (error) => reject(unreachable(error.message, error)))
      outgoing.end(text)
    })
  const unreachable = (reason: string, cause?: unknown): Fault =>
    new Fault('client.unreachable', { host: socket, port: 'api', reason }, { cause })
  return {
    get: (path) => call('GET', path),
    post: (path, body) => call('POST', path, body),
    patch: (path, body) => call('PATCH', path, body),
    delete: (path) => call('DELETE', path),
  }
}
