import { systemClock } from '@ostler/kit/clock.ts'
import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client'

/** What one registry holds, as it crosses from process to process. */
export type Snapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

/** How the number of a worker's guests stands. */
export interface WorkerUse {
  readonly connections: number
  readonly streams: number
}

/** So long a worker has to say what it counts; then what it said last is taken. */
const ANSWER_MS = 1_000

/**
 * Adds up what the workers of a door count. What those who are gone have counted stays counted, as far as they have
 * told it: a counter never goes back while the first process lives.
 */
export class CrewMetrics<W> {
  readonly #own = new Registry()
  readonly #last = new Map<W, Snapshot>()
  readonly #answers = new Map<W, () => void>()
  #gone: Snapshot = []

  readonly #workers = new Gauge({
    name: 'ostler_l7r_workers',
    help: 'Processes that serve the door, and those that only keep their last sessions.',
    labelNames: ['state'],
    registers: [this.#own],
  })
  readonly #exits = new Counter({
    name: 'ostler_l7r_worker_exits_total',
    help: 'Processes of the door that ended: replaced as they should, or crashed.',
    labelNames: ['how'],
    registers: [this.#own],
  })

  constructor() {
    for (const how of ['replaced', 'crashed']) this.#exits.inc({ how }, 0)
  }

  /** The registry of what the first process counts itself. */
  get own(): Registry {
    return this.#own
  }

  /** A worker says what it counts. */
  heard(worker: W, snapshot: Snapshot): void {
    this.#last.set(worker, snapshot)
    this.#answers.get(worker)?.()
  }

  /** A worker is gone: its counters stay, what it had open does not. */
  left(worker: W, how: 'replaced' | 'crashed'): void {
    this.#exits.inc({ how })
    this.#gone = added(this.#gone, this.#last.get(worker) ?? [])
    this.#last.delete(worker)
    this.#answers.get(worker)?.()
  }

  /**
   * Asks the workers and adds up what they say.
   * @param ask asks one of them; it answers by `heard`.
   * @returns everything in Prometheus' text format.
   */
  async read(states: ReadonlyMap<W, 'serving' | 'retiring'>, ask: (worker: W) => void): Promise<string> {
    await this.refresh(states, ask)
    for (const state of ['serving', 'retiring'] as const)
      this.#workers.set({ state }, [...states.values()].filter((each) => each === state).length)
    const own = await this.#own.getMetricsAsJSON()
    return await AggregatorRegistry.aggregate([own, this.#gone, ...this.#last.values()]).metrics()
  }

  /** Waits until every worker has said what it counts now, or a second. */
  async refresh(states: ReadonlyMap<W, unknown>, ask: (worker: W) => void): Promise<void> {
    const late = new AbortController()
    const answers = [...states.keys()].map(
      (worker) =>
        new Promise<void>((resolve) => {
          // Whoever waits for the same worker is answered with us.
          const others = this.#answers.get(worker)
          this.#answers.set(worker, () => {
            this.#answers.delete(worker)
            others?.()
            resolve()
          })
          ask(worker)
        }),
    )
    const deadline = systemClock.sleep(ANSWER_MS, late.signal).catch(() => {})
    await Promise.race([Promise.all(answers), deadline])
    late.abort()
  }

  /** How many guests a worker had when it last said so. */
  use(worker: W): WorkerUse {
    const last = this.#last.get(worker) ?? []
    const sum = (name: string): number =>
      last.find((metric) => metric.name === name)?.values.reduce((all, { value }) => all + value, 0) ?? 0
    return { connections: sum('ostler_l7r_connections_open'), streams: sum('ostler_l7r_streams_open') }
  }
}

/** Adds to a sum what only grows. */
function added(sum: Snapshot, more: Snapshot): Snapshot {
  const metrics = new Map(sum.map((metric) => [metric.name, metric]))
  for (const metric of more) {
    // prom-client declares numbers here and gives words.
    if (!['counter', 'histogram'].includes(String(metric.type))) continue
    const values = new Map(metrics.get(metric.name)?.values.map((value) => [keyOf(value), value]))
    for (const value of metric.values) {
      const before = values.get(keyOf(value))?.value ?? 0
      values.set(keyOf(value), { ...value, value: before + value.value })
    }
    metrics.set(metric.name, { ...metric, values: [...values.values()] })
  }
  return [...metrics.values()]
}

/** Of a histogram each bucket is a value of its own, and so are its sum and its count. */
function keyOf(value: Snapshot[number]['values'][number]): string {
  const name = 'metricName' in value ? String(value.metricName) : ''
  return JSON.stringify([name, Object.entries(value.labels).sort()])
}
