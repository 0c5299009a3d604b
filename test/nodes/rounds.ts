import { monotonicMs } from '@ostler/kit/monotonic.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import type { HostClocks } from '@ostler/proxy/model/host-lease.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { FaultMatrix } from '../chaos/matrix.ts'
import { Orders } from '../chaos/orders.ts'
import { ServiceWords } from '../chaos/service-words.ts'
import { FAULTS, MAY_END } from './faults.ts'
import { longestSilence } from './home-witness.ts'
import { Onlooker } from './onlooker.ts'
import { type Plan, type PlannedFault, STEADY } from './plan.ts'
import type { DesktopRow, SeveralNodes } from './several-nodes.ts'

/** What starting desktops anew may take once nothing is broken any more, beside the clocks. */
const SETTLED_MS = 90_000
const ACKNOWLEDGED_MS = 150_000
const LOOK_MS = 100
/** A desktop that runs has written within so long, on a machine that has much to do. */
const WRITES_WITHIN_MS = 3_000

/** What one round came to. */
export interface RoundResult {
  readonly wrong: readonly string[]
  readonly settledMs: number
  /** When a node first said a word about the first fault; `undefined`: none did. */
  readonly noticedMs: number | undefined
  /** From the first fault until the last steady desktop that had ended wrote again; `undefined`: none had. */
  readonly backMs: number | undefined
  /** The longest time in which a steady desktop wrote nothing. */
  readonly silentMs: number
}

/** Plays rounds on several nodes and judges each. */
export class Rounds implements AsyncDisposable {
  readonly matrix = new FaultMatrix<string>()
  readonly #nodes: SeveralNodes
  readonly #clocks: HostClocks
  readonly #names: ReadonlyMap<number, string>
  readonly #orders: Orders
  readonly #onlooker: Onlooker

  private constructor(nodes: SeveralNodes, clocks: HostClocks, names: ReadonlyMap<number, string>) {
    this.#nodes = nodes
    this.#clocks = clocks
    this.#names = names
    const visit = (): Promise<void> => Promise.reject(new Error('nobody visits here'))
    const told = { api: nodes.office.api, name: (desktop: number) => nodes.name(desktop), visit }
    this.#orders = new Orders(told, ACKNOWLEDGED_MS)
    this.#onlooker = new Onlooker(nodes, names)
  }

  static async begin(nodes: SeveralNodes, clocks: HostClocks, desktops: number): Promise<Rounds> {
    const rows = await nodes.rows()
    const rounds = new Rounds(nodes, clocks, new Map(rows.map(({ id, name }) => [id, name])))
    for (let desktop = 0; desktop < desktops; desktop++)
      await rounds.#orders.give({ kind: 'start', desktop, afterMs: 0 })
    await rounds.#settle('at first')
    return rounds
  }

  /** Breaks what the plan says while its orders are given, waits until all is well again, and looks. */
  async play(plan: Plan): Promise<RoundResult> {
    const wrong: string[] = []
    await this.#nodes.acquainted().catch((error: unknown) => wrong.push(...words(error)))
    await this.#spread().catch((error: unknown) => wrong.push(...words(error)))
    const bootsBefore = this.#steady().map((id) => this.#onlooker.home(id).last?.boot)
    const beganAt = monotonicMs()
    const heard = plan.faults.map((fault) => this.#breakAndMend(fault))
    const told = await Promise.allSettled([...heard, ...plan.orders.map((order) => this.#orders.give(order))])
    wrong.push(...told.flatMap((each) => (each.status === 'rejected' ? words(each.reason) : [])))
    const mendedAt = monotonicMs()
    const mayEnd = plan.faults.some(({ name }) => MAY_END.includes(name))
    const isSettled = async (): Promise<boolean> => (await this.#unsettled(mayEnd)).length === 0
    if (!(await comesToHold(isSettled, SETTLED_MS + this.#clocks.lostAfterMs, LOOK_MS)))
      wrong.push(...(await this.#unsettled(mayEnd)))
    const settledMs = monotonicMs() - mendedAt
    wrong.push(...this.#onlooker.take())
    const { backMs, silentMs } = this.#outage(beganAt, bootsBefore)
    const noticed = plan.faults.map((_, index) => {
      const outcome = told[index]
      return outcome?.status === 'fulfilled' ? (outcome.value as number | undefined) : undefined
    })
    for (const [index, { name }] of plan.faults.entries()) {
      const detectMs = noticed[index]
      if (plan.faults.length === 1) this.matrix.add(name, { detectMs, recoverMs: backMs })
      else this.matrix.add('two of them at once', { detectMs, recoverMs: backMs })
    }
    if (mayEnd && wrong.length === 0)
      await this.#startAgain().catch((error: unknown) => wrong.push(...words(error)))
    return { wrong, settledMs, noticedMs: noticed[0], backMs, silentMs }
  }

  /** Everything about desktops and nodes as it is now, for people. */
  async picture(): Promise<string[]> {
    const rows = await this.#nodes.rows().catch(() => [])
    const hosts = await this.#nodes.hosts().catch(() => new Map<string, string>())
    return [
      ...[...hosts].map(([name, state]) => `node ${name}: ${state}`),
      ...rows.map(
        ({ id, name, state, node, fault, open }) =>
          `${name}: ${state} on ${node ?? 'none'}, processes on ${this.#nodes.runsOn(id).join(' ') || 'none'}, ${open} wishes, ${fault ?? 'no fault'}`,
      ),
    ]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#onlooker[Symbol.asyncDispose]()
  }

  /** @returns after how many milliseconds a node has said something about it. */
  async #breakAndMend({ name, node, afterMs, forMs }: PlannedFault): Promise<number | undefined> {
    const member = this.#nodes.members[node]
    if (member === undefined) throw new Error(`there is no node ${node}`)
    await sleep(afterMs)
    using said = new ServiceWords(this.#nodes.outputs)
    const mend = await FAULTS[name](this.#nodes, member)
    await sleep(forMs)
    await mend()
    return said.noticedMs
  }

  #steady(): number[] {
    const names = Array.from({ length: STEADY }, (_, desktop) => this.#nodes.name(desktop))
    return [...this.#names].flatMap(([id, name]) => (names.includes(name) ? [id] : []))
  }

  #outage(
    beganAt: number,
    bootsBefore: readonly (string | undefined)[],
  ): Pick<RoundResult, 'backMs' | 'silentMs'> {
    const back: number[] = []
    const silent: number[] = []
    for (const [index, id] of this.#steady().entries()) {
      const { entries, last } = this.#onlooker.home(id)
      silent.push(longestSilence(entries, beganAt, Math.max(beganAt, last?.atMs ?? beganAt)))
      if (last === undefined || last.boot === bootsBefore[index]) continue
      const first = entries.find(({ boot }) => boot === last.boot)
      // One that was moved to its node just before may be seen only now.
      if (first !== undefined && first.atMs > beganAt) back.push(first.atMs - beganAt)
    }
    return { backMs: back.length === 0 ? undefined : Math.max(...back), silentMs: Math.max(...silent) }
  }

  /** Whoever has ended with the power of its node is started again, by an order. */
  async #startAgain(): Promise<void> {
    for (let desktop = 0; desktop < STEADY; desktop++)
      await this.#orders.give({ kind: 'start', desktop, afterMs: 0 })
    for (const { name, state } of await this.#nodes.rows())
      if (state === 'stopped' && !this.#steady().some((id) => this.#names.get(id) === name))
        this.#orders.goals.set(name, 'down')
    await this.#settle('after they were started again')
  }

  /** Where all steady desktops are on one node, a fault of another would touch none: one of them starts anew, on the emptier node. */
  async #spread(): Promise<void> {
    const rows = await this.#nodes.rows()
    const steady = rows.filter(({ id }) => this.#steady().includes(id))
    if (new Set(steady.map(({ node }) => node)).size > 1) return
    for (const kind of ['stop', 'start'] as const) {
      await this.#orders.give({ kind, desktop: 0, afterMs: 0 })
      await this.#settle('when desktops are spread')
    }
  }

  async #settle(when: string): Promise<void> {
    const isSettled = async (): Promise<boolean> => (await this.#unsettled(false)).length === 0
    if (await comesToHold(isSettled, SETTLED_MS, LOOK_MS)) return
    throw new Error(`${when}: ${(await this.#unsettled(false)).join('; ')}`)
  }

  /** What is not yet, or no longer, as it was ordered. */
  async #unsettled(mayEnd: boolean): Promise<string[]> {
    try {
      const rows = await this.#nodes.rows()
      const hosts = await this.#nodes.hosts()
      const missing = [...this.#names.values()].filter((name) => !rows.some((row) => row.name === name))
      return [
        ...missing.map((name) => `${name} has no row any more`),
        ...[...hosts].flatMap(([name, state]) => (state === 'running' ? [] : [`node ${name} is ${state}`])),
        ...rows.flatMap((row) => this.#unsettledIn(row, mayEnd)),
      ]
    } catch (error) {
      return words(error)
    }
  }

  #unsettledIn({ id, name, state, node, fault, open }: DesktopRow, mayEnd: boolean): string[] {
    const on = this.#nodes.runsOn(id)
    const goal = this.#orders.goals.get(name) ?? 'down'
    if (state !== 'running' && state !== 'stopped') return [`${name} is ${state}: ${fault ?? 'no reason'}`]
    if (open > 0) return [`${name} is ${state}, and ${open} wishes are open`]
    if (goal === 'down' && state === 'running') return [`${name} runs, and was told to stop`]
    if (goal === 'up' && state === 'stopped' && !mayEnd) return [`${name} is stopped, and was told to run`]
    const expected = state === 'running' ? (node ?? '?') : ''
    if (on.join(' ') !== expected)
      return [
        `${name} is ${state} on ${expected || 'no node'}, and its processes are on ${on.join(' ') || 'none'}`,
      ]
    const written = this.#onlooker.home(id).last?.atMs ?? -Infinity
    if (state === 'running' && monotonicMs() - written > WRITES_WITHIN_MS)
      return [`${name} runs, and has written nothing for ${(monotonicMs() - written).toFixed(0)} ms`]
    return []
  }
}

function words(error: unknown): string[] {
  if (!(error instanceof Error)) return [String(error)]
  return [error.cause === undefined ? error.message : `${error.message}: ${words(error.cause).join('; ')}`]
}
