import type { Log } from '@ostler/kit/log.ts'
import { Rounds } from '@ostler/kit/rounds.ts'
import { type Span, spansOf } from '../model/start-trace.ts'
import type { Db } from '../store/open.ts'
import { readStartsToTrace, timeAgo } from '../store/traces.ts'
import { postJson } from './post-json.ts'

export interface TraceSettings {
  readonly db: Db
  /** Whose starts are told. */
  readonly hostId: number
  /** Where a collector takes OTLP over HTTP; `/v1/traces` is put behind it. */
  readonly endpoint: URL
  readonly log: Log
  /** Shorter in tests. */
  readonly times?: { readonly everyMs: number; readonly settledSeconds: number }
}

/** What comes behind the desktop's own start, its session and its user, is there by then. */
const TIMES = { everyMs: 15_000, settledSeconds: 60 }
const AT_ONCE = 200
const DEADLINE_MS = 10_000

/**
 * Tells a collector of OpenTelemetry how starts went, hop by hop, from now on. While it cannot be reached the starts wait; those of before hkd
 * was started are not told.
 */
export class TraceTeller implements AsyncDisposable {
  readonly #settings: TraceSettings
  readonly #rounds: Rounds
  /** Until when everything was told. */
  #told: string | undefined
  #isFailing = false

  constructor(settings: TraceSettings) {
    this.#settings = settings
    this.#rounds = new Rounds({
      everyMs: (settings.times ?? TIMES).everyMs,
      round: (signal) => this.#tell(signal),
      onError: (error) => {
        if (!this.#isFailing) settings.log.warn('traces could not be told, will be tried again', { error })
        this.#isFailing = true
      },
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#rounds[Symbol.asyncDispose]()
  }

  async #tell(signal: AbortSignal): Promise<void> {
    const { db, hostId, endpoint, log, times = TIMES } = this.#settings
    this.#told ??= await timeAgo(db, 0)
    for (;;) {
      const until = await timeAgo(db, times.settledSeconds)
      const starts = await readStartsToTrace(db, hostId, { after: this.#told, until }, AT_ONCE)
      const last = starts.at(-1)
      if (last === undefined) return
      const patience = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)])
      await postJson(tracesOf(endpoint), bodyOf(starts.map(spansOf)), { signal: patience })
      this.#told = last.ranAt
      if (this.#isFailing) log.info('traces are told again')
      this.#isFailing = false
    }
  }
}

/** Of each service what it did, as OTLP wants it. */
function bodyOf(starts: readonly ReadonlyMap<string, readonly Span[]>[]): string {
  const services = new Map<string, Span[]>()
  for (const start of starts)
    for (const [service, spans] of start) services.set(service, [...(services.get(service) ?? []), ...spans])
  return JSON.stringify({
    resourceSpans: [...services].map(([service, spans]) => ({
      resource: { attributes: [{ key: 'service.name', value: { stringValue: service } }] },
      scopeSpans: [{ scope: { name: 'ostler' }, spans }],
    })),
  })
}

function tracesOf(endpoint: URL): URL {
  return new URL(`${endpoint.pathname.replace(/\/$/, '')}/v1/traces`, endpoint)
}
