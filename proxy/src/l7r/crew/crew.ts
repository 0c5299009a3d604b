import { systemClock } from '@ostler/kit/clock.ts'
import type { Log } from '@ostler/kit/log.ts'
import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import type { Registry } from 'prom-client'
import { CrewMetrics, type Snapshot, type WorkerUse } from './crew-metrics.ts'

/** What the first process of the door says to the others, and they to it. */
export const CREW_WORDS = {
  ready: 'ready',
  /** Take nobody in any more, and end with your last session: others have your place. */
  drain: 'drain',
  /** Take nobody in, and say so to whoever asks. */
  shut: 'shut',
  open: 'open',
  /** Say what you count. */
  tell: 'tell',
} as const

/** What a worker counts; it says it when asked, now and then, and last of all. */
export interface CrewCounts {
  readonly counts: Snapshot
}

/** In the environment of workers that begin while the door is shut. */
export const SHUT = 'OSTLER_DOOR_SHUT'

/** How a door stands. */
export interface CrewStatus {
  /** `draining`: it takes nobody in any more. */
  readonly door: 'open' | 'draining'
  readonly connections: number
  /** Sessions that go on, also with workers that were replaced. */
  readonly streams: number
  readonly workers: readonly ({ readonly pid: number; readonly state: 'serving' | 'retiring' } & WorkerUse)[]
}

/** What the first process keeps for all of them: each is told when it begins, and whenever it changes. */
export interface CrewNews {
  /** Keys for session tickets, newest first, base64. */
  readonly ticketKeys: readonly string[]
  /** The socket that a service manager gave to the first process, by its number there. */
  readonly givenSocket: number | undefined
}

const READY_MS = 60_000
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 30_000
/** A worker that has lived so long did not fail at its start. */
const SETTLED_MS = 60_000

/** A worker could not start; its own last sentence is on standard error. */
export class WorkerFailed extends Error {
  readonly exitCode: number

  constructor(exitCode: number) {
    super(`a worker of the door ended with ${exitCode} before it was ready`)
    this.name = 'WorkerFailed'
    this.exitCode = exitCode
  }
}

/**
 * The processes that serve the door, and their first process, which serves nobody: it hands connections out in turn,
 * replaces who dies, and replaces all of them by what now lies on the disk while their sessions live on.
 */
export class Crew {
  readonly #size: number
  readonly #log: Log
  readonly #working = new Set<Worker>()
  /** Told to take nobody in any more: they end with their last session. */
  readonly #draining = new Set<Worker>()
  #news: CrewNews
  readonly #deserted: () => void
  readonly #metrics = new CrewMetrics<Worker>()
  #isShut = false
  #pauseMs = FIRST_PAUSE_MS
  #stopping = false
  #changing: Promise<void> = Promise.resolve()

  /**
   * @param size workers, at least 1.
   * @param deserted is called when the last who took people in is gone against our will.
   */
  constructor(size: number, news: CrewNews, log: Log, deserted: () => void = () => {}) {
    this.#size = size
    this.#deserted = deserted
    this.#news = news
    this.#log = log
    const [, exec, ...args] = process.argv
    if (exec !== undefined) cluster.setupPrimary({ exec, args })
  }

  /**
   * Starts the workers: one alone, so that what is wrong is said once, then the others. When that one serves the door is open, and may
   * have sessions: others that do not start are tried again, as those that die.
   * @throws WorkerFailed
   */
  start(): Promise<void> {
    const started = this.#startAll()
    // Whoever wants to replace them waits until they are there.
    this.#changing = started.catch(() => {})
    return started
  }

  async #startAll(): Promise<void> {
    this.#keep(await this.#hire())
    const { hired, failures } = await this.#hireMany(this.#size - 1)
    for (const worker of hired) this.#keep(worker)
    for (const error of failures) this.#tryAgain(error)
  }

  /** Starts so many side by side. */
  async #hireMany(count: number): Promise<{ hired: readonly Worker[]; failures: readonly unknown[] }> {
    const results = await Promise.allSettled(Array.from({ length: count }, () => this.#hire()))
    return {
      hired: results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])),
      failures: results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : [])),
    }
  }

  /**
   * Starts a new crew and sends the old one into retirement. When the new one cannot start, the old one stays. Calls
   * while one is under way wait for it.
   */
  replace(): Promise<void> {
    const next = this.#changing.then(async () => {
      const old = [...this.#working]
      const { hired: young, failures } = await this.#hireMany(this.#size)
      for (const worker of young) this.#keep(worker)
      const [error] = failures
      if (error !== undefined) {
        this.#log.error('the new workers could not start, the old ones stay', { error })
        // Some may have, and may have taken people in.
        for (const worker of young) this.#retire(worker)
        return
      }
      for (const worker of old) this.#retire(worker)
      this.#log.info('workers replaced', { old: pids(old), new: pids([...this.#working]) })
    })
    this.#changing = next
    return next
  }

  /** Tells everybody, and whoever comes later. */
  tell(news: CrewNews): void {
    this.#news = news
    for (const worker of Object.values(cluster.workers ?? {})) if (worker?.isConnected()) worker.send(news)
  }

  /** What all workers count, those that are gone included, in Prometheus' text format. */
  metrics(): Promise<string> {
    return this.#metrics.read(this.#states(), (worker) => say(worker, CREW_WORDS.tell))
  }

  /** The registry of the first process itself. */
  get registry(): Registry {
    return this.#metrics.own
  }

  /** Lets nobody in any more; sessions go on, and balancers hear that they must look elsewhere. */
  shut(): void {
    this.#setShut(true)
  }

  /** Lets everybody in again. */
  open(): void {
    this.#setShut(false)
  }

  /** How many are in, asked of every worker. */
  async status(): Promise<CrewStatus> {
    const states = this.#states()
    await this.#metrics.refresh(states, (worker) => say(worker, CREW_WORDS.tell))
    const workers = [...states].map(([worker, state]) => ({
      pid: worker.process.pid ?? 0,
      state,
      ...this.#metrics.use(worker),
    }))
    const sum = (what: keyof WorkerUse): number => workers.reduce((all, each) => all + each[what], 0)
    return {
      door: this.#isShut ? 'draining' : 'open',
      connections: sum('connections'),
      streams: sum('streams'),
      workers,
    }
  }

  #setShut(isShut: boolean): void {
    if (isShut === this.#isShut) return
    this.#isShut = isShut
    this.#log.info(isShut ? 'the door takes nobody in any more' : 'the door is open again')
    for (const worker of this.#working) say(worker, isShut ? CREW_WORDS.shut : CREW_WORDS.open)
  }

  #states(): ReadonlyMap<Worker, 'serving' | 'retiring'> {
    return new Map([
      ...[...this.#working].map((worker) => [worker, 'serving'] as const),
      ...[...this.#draining].map((worker) => [worker, 'retiring'] as const),
    ])
  }

  /** Forgets the workers, so that another first process may come: without their line to this one they retire by themselves. */
  release(): void {
    this.#stopping = true
    this.#working.clear()
    this.#draining.clear()
  }

  /** Ends every worker, also those that still have sessions; whoever is not gone after `withinMs` is killed. */
  async stop(withinMs: number): Promise<void> {
    this.#stopping = true
    const all = [...this.#working, ...this.#draining]
    const gone = Promise.all(all.map((worker) => once(worker.process, 'exit')))
    for (const worker of all) worker.process.kill('SIGTERM')
    const late = setTimeout(() => {
      for (const worker of all) worker.process.kill('SIGKILL')
    }, withinMs)
    await gone
    clearTimeout(late)
  }

  /** Starts a worker and waits until it serves. @throws WorkerFailed */
  async #hire(): Promise<Worker> {
    const born = this.#isShut
    const worker = cluster.fork(born ? { [SHUT]: '1' } : {})
    worker.send(this.#news)
    const abort = new AbortController()
    const ready = new Promise<void>((resolve) => {
      worker.on('message', (word: unknown) => {
        if (word === CREW_WORDS.ready) resolve()
        else if (isCounts(word)) this.#metrics.heard(worker, word.counts)
      })
    })
    const failed = once(worker.process, 'exit', { signal: abort.signal }).then(([code]) => {
      throw new WorkerFailed(Number(code ?? 70))
    })
    const late = systemClock.sleep(READY_MS, abort.signal).then(() => {
      worker.process.kill('SIGKILL')
      throw new WorkerFailed(70)
    })
    try {
      await Promise.race([ready, failed, late])
      // It may have been shut or opened while the worker began.
      if (born !== this.#isShut) say(worker, this.#isShut ? CREW_WORDS.shut : CREW_WORDS.open)
      return worker
    } finally {
      abort.abort()
      for (const promise of [failed, late]) promise.catch(() => {})
    }
  }

  #keep(worker: Worker): void {
    const since = systemClock.now()
    this.#working.add(worker)
    worker.process.once('exit', (code, signal) => {
      this.#metrics.left(worker, this.#draining.delete(worker) ? 'replaced' : 'crashed')
      if (!this.#working.delete(worker) || this.#stopping) return
      this.#log.error('a worker of the door is gone', { worker: worker.process.pid, code, signal })
      this.#pauseMs =
        systemClock.now() - since > SETTLED_MS
          ? FIRST_PAUSE_MS
          : Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2)
      if (this.#working.size === 0) this.#deserted()
      this.#fill()
    })
  }

  /** Hires one more after a pause, and again until one is there. */
  #fill(): void {
    setTimeout(() => {
      if (this.#stopping || this.#working.size >= this.#size) return
      this.#hire().then(
        (worker) => this.#keep(worker),
        (error: unknown) => this.#tryAgain(error),
      )
    }, this.#pauseMs)
  }

  #tryAgain(error: unknown): void {
    this.#log.error('a worker of the door does not start', { error })
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2)
    this.#fill()
  }

  #retire(worker: Worker): void {
    if (!this.#working.delete(worker)) return
    this.#draining.add(worker)
    say(worker, CREW_WORDS.drain)
  }
}

function say(worker: Worker, word: string): void {
  // One that is about to end may not hear it, and its end says the same.
  if (worker.isConnected()) worker.send(word, () => {})
}

function isCounts(word: unknown): word is CrewCounts {
  return typeof word === 'object' && word !== null && 'counts' in word
}

function pids(workers: readonly Worker[]): number[] {
  return workers.map((worker) => worker.process.pid ?? 0)
}
