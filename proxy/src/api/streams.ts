import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Context } from 'hono'
import { streamSSE } from 'hono/streaming'
import { createHash } from 'node:crypto'
import type { HintChannel } from '../store/hints.ts'
import { type Answer, TOTAL_HEADER } from './route.ts'

const MOST = 100
/** Hints that come together are answered together, unless a route says how long. */
const GATHER_MS = 100
/** So that a proxy between us and a browser keeps the connection, and so that we notice one that is gone. */
const ALIVE_MS = 20_000
/** A browser connects again by itself. */
const LONGEST_MS = 60 * 60_000

/** What is watched. */
interface Watched {
  readonly hints: readonly HintChannel[]
  readonly ask: () => Promise<Answer>
  /** Whether she may still see it. */
  readonly isGood: () => Promise<boolean>
  readonly until: Date | undefined
  readonly gatherMs: number | undefined
}

/**
 * Answers that come anew after each hint of the database: server-sent events. Of a list each row that is new or another one comes
 * as `row`, and the `id` of each that is gone as `gone`; where the whole number was asked for it comes as `total`. Anything else comes whole, as
 * `changed`. `ready` follows the first answer, `failed` is a fault with which it ends. Nothing is asked for without a hint.
 */
export class Streams {
  readonly #log: Log
  readonly #open = new Map<() => void, readonly HintChannel[]>()

  constructor(log: Log) {
    this.#log = log
  }

  /** Tells of a hint; `undefined`: any may have been lost. */
  hint(channel: HintChannel | undefined): void {
    for (const [wake, channels] of this.#open) if (channel === undefined || channels.includes(channel)) wake()
  }

  /** @throws Fault `stream.tooMany`. */
  open(context: Context, { hints, ask, isGood, until, gatherMs = GATHER_MS }: Watched): Response {
    if (this.#open.size >= MOST) throw new Fault('stream.tooMany')
    const end = Math.min(Date.now() + LONGEST_MS, until?.getTime() ?? Infinity)
    const hub = this.#open
    const log = this.#log
    return streamSSE(context, async (stream) => {
      const due = { now: true }
      let wakeUp = (): void => {}
      const wake = (): void => {
        due.now = true
        wakeUp()
      }
      const sleep = (ms: number): Promise<void> =>
        new Promise((resolve) => {
          const timer = setTimeout(resolve, ms)
          wakeUp = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      const isDueNow = (): boolean => due.now
      hub.set(wake, hints)
      stream.onAbort(wake)
      const known = new Known()
      try {
        while (!stream.aborted && Date.now() < end) {
          if (!due.now) {
            await sleep(Math.min(ALIVE_MS, Math.max(1, end - Date.now())))
            if (!isDueNow()) {
              await stream.write(': alive\n\n')
              continue
            }
            await new Promise((resolve) => setTimeout(resolve, gatherMs))
          }
          due.now = false
          if (!(await isGood())) return
          // In one piece: a list may have thousands of rows.
          const changes = known.changes(await ask())
          const text = changes.map(({ event, data }) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
          if (text.length > 0) await stream.write(text.join(''))
        }
      } catch (error) {
        if (stream.aborted) return
        if (!(error instanceof Fault)) log.error('stream failed', { error })
        const fault = error instanceof Fault ? error : new Fault('server.internal', { reference: 'log' })
        await stream.writeSSE({ event: 'failed', data: JSON.stringify(fault.toJSON()) })
      } finally {
        hub.delete(wake)
      }
    })
  }
}

/** What a watcher knows, as digests: a list may be long. */
class Known {
  #isFirst = true
  #rows = new Map<unknown, string>()
  #whole = ''
  #total: string | undefined

  changes({ said, headers }: Answer): readonly { readonly event: string; readonly data: unknown }[] {
    const ready = this.#isFirst ? [{ event: 'ready', data: {} }] : []
    this.#isFirst = false
    const total = headers?.[TOTAL_HEADER]
    const counted = total === this.#total ? [] : [{ event: 'total', data: { total: Number(total) } }]
    this.#total = total
    return [...(isList(said) ? this.#ofList(said) : this.#ofWhole(said)), ...counted, ...ready]
  }

  #ofList(rows: readonly Readonly<Record<string, unknown>>[]) {
    const now = new Map(rows.map((row) => [keyOf(row), digest(row)]))
    const isNew = (row: Readonly<Record<string, unknown>>): boolean =>
      this.#rows.get(keyOf(row)) !== now.get(keyOf(row))
    const changed = rows.filter(isNew).map((data) => ({ event: 'row', data }))
    const gone = [...this.#rows.keys()]
      .filter((key) => !now.has(key))
      .map((id) => ({ event: 'gone', data: { id } }))
    this.#rows = now
    return [...changed, ...gone]
  }

  #ofWhole(data: unknown) {
    const before = this.#whole
    this.#whole = digest(data)
    return before === this.#whole ? [] : [{ event: 'changed', data }]
  }
}

function isList(said: unknown): said is readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(said) && said.every((row) => typeof row === 'object' && row !== null)
}

function keyOf(row: Readonly<Record<string, unknown>>): unknown {
  return row['id'] ?? row['name'] ?? row['key']
}

function digest(value: unknown): string {
  return createHash('sha1').update(JSON.stringify(value)).digest('base64')
}
