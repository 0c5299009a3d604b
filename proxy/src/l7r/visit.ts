import { CONNECTION_HEADER } from '@ostler/contract/connection-id.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { DoorMetrics } from './door-metrics.ts'
import type { DoorRequest } from './http/request.ts'
import type { Reply } from './respond.ts'

/** What the requests of a door have in common. */
export interface VisitParts {
  readonly metrics: DoorMetrics
  readonly log: Log
  /** One line for each request. */
  readonly logsRequests: boolean
}

/** A request without its secrets: no query, no header. */
type Asked = Pick<DoorRequest, 'method' | 'path' | 'connection'>

const MAX_PATH = 200

/** One request at the door, from its head to the end of its answer. */
export class Visit {
  /** Every line bears the connection's id. */
  readonly log: Log
  /** Who asks, once that is known. */
  user: string | undefined
  /** What the request is called where requests are counted: one name of a list. */
  route: string
  readonly #parts: VisitParts
  readonly #asked: Asked
  readonly #began = performance.now()
  #ended = false

  /** @param route as the field of that name. */
  constructor(parts: VisitParts, asked: Asked, route: string) {
    this.#parts = parts
    this.#asked = asked
    this.route = route
    this.log = parts.log.child({ connection: asked.connection.id })
  }

  /** The same reply; what goes through it is counted, and its end is the visit's. */
  watch(reply: Reply): Reply {
    return {
      interim: (text) => {
        this.#parts.metrics.interim()
        reply.interim(text)
      },
      final: (status, contentType, body, headers = {}) => {
        reply.final(status, contentType, body, { ...headers, [CONNECTION_HEADER]: this.#asked.connection.id })
        this.answered(status, Buffer.byteLength(body))
      },
    }
  }

  /** Counts the request and writes its line; the first call counts. `0`: the client left before her answer. */
  answered(status: number, bytes: number): void {
    if (this.#ended) return
    this.#ended = true
    const { metrics, logsRequests } = this.#parts
    const ms = performance.now() - this.#began
    metrics.answered(this.route, status, ms / 1_000)
    if (!logsRequests) return
    const { method, path, connection } = this.#asked
    // A balancer asks every second or so, and would fill the log.
    const level = path === '/qvd/ping' && status === 200 ? 'debug' : 'info'
    this.log[level]('request', {
      method,
      path: path.slice(0, MAX_PATH),
      status,
      ms: Math.round(ms),
      bytes,
      address: connection.address,
      user: this.user,
    })
  }
}
