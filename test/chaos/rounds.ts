import { comesToHold } from '@ostler/kit/poll.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { AT_REST } from '../../proxy/src/model/start-queue.ts'
import type { VmState } from '../../proxy/src/model/vm-machine.ts'
import type { BrokenNode } from './broken-node.ts'
import { CUTS_STREAMS, FAULTS } from './faults.ts'
import { type LiveStream, openStream } from './live-stream.ts'
import { FaultMatrix } from './matrix.ts'
import { Orders } from './orders.ts'
import { type FaultName, type Plan, type PlannedFault, WATCHED } from './plan.ts'
import { ServiceWords } from './service-words.ts'
import { Witness, type WitnessedRow } from './witness.ts'

const SETTLED_MS = 45_000
const STREAM_MS = 15_000
const LOOK_MS = 50

/** What one round came to. */
export interface RoundResult {
  readonly wrong: readonly string[]
  readonly failedStarts: number
  readonly recoverMs: number
}

/** Plays rounds on one node and judges each. */
export class Rounds implements AsyncDisposable {
  readonly matrix = new FaultMatrix<FaultName>()
  readonly #node: BrokenNode
  readonly #witness: Witness
  readonly #orders: Orders
  readonly #idOf: ReadonlyMap<string, number>
  readonly #streams = new Map<string, LiveStream>()

  private constructor(node: BrokenNode, witness: Witness, idOf: ReadonlyMap<string, number>) {
    this.#node = node
    this.#witness = witness
    this.#idOf = idOf
    const visit = async (name: string): Promise<void> => {
      const stream = await openStream(node, name, idOf.get(name) ?? 0)
      stream[Symbol.dispose]()
    }
    this.#orders = new Orders({ api: node.world.api, name: (desktop) => node.name(desktop), visit })
  }

  static async begin(node: BrokenNode): Promise<Rounds> {
    const witness = new Witness(node)
    const rows = await witness.rows()
    const rounds = new Rounds(node, witness, new Map(rows.map(({ name, id }) => [name, id])))
    for (let desktop = 0; desktop < WATCHED; desktop++)
      await rounds.#orders.give({ kind: 'start', desktop, afterMs: 0 })
    await rounds.#watchAgain()
    return rounds
  }

  /** Breaks what the plan says while its orders are given, waits until all is well again, and looks. */
  async play(plan: Plan): Promise<RoundResult> {
    const wrong: string[] = []
    const names = plan.faults.map(({ name }) => name)
    const heard = plan.faults.map((fault) => this.#breakAndMend(fault))
    const given = plan.orders.map((order) => this.#orders.give(order))
    const told = await Promise.allSettled([...heard, ...given])
    wrong.push(...told.flatMap((each) => (each.status === 'rejected' ? words(each.reason) : [])))
    const began = performance.now()
    const mayDie = names.includes('machines die')
    if (!(await comesToHold(async () => (await this.#unsettled(mayDie)).length === 0, SETTLED_MS, LOOK_MS)))
      wrong.push(...(await this.#unsettled(mayDie)))
    const recoverMs = performance.now() - began
    if (mayDie) await this.#accept().catch((error: unknown) => wrong.push(...words(error)))
    for (const [index, { name }] of plan.faults.entries()) {
      const outcome = told[index]
      const noticed = outcome?.status === 'fulfilled' ? (outcome.value as number | undefined) : undefined
      this.matrix.add(name, { detectMs: noticed, recoverMs })
    }
    const excused = names.some((name) => CUTS_STREAMS.includes(name))
    const cut = plan.orders
      .filter(({ kind }) => kind === 'disconnect')
      .map(({ desktop }) => this.#node.name(desktop))
    for (const [name, stream] of this.#streams)
      if (cut.includes(name)) wrong.push(...(await ends(name, stream)))
      else if (!excused) wrong.push(...(await flows(name, stream)))
    wrong.push(...(await this.#lookAround().catch(words)))
    const failedStarts = (await this.#witness.rows().catch(() => [])).filter(
      ({ state }) => state === 'failed',
    ).length
    // Whoever was cut off comes back, and must get in.
    if (wrong.length === 0) await this.#watchAgain().catch((error: unknown) => wrong.push(...words(error)))
    return { wrong, failedStarts, recoverMs }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stream of this.#streams.values()) stream[Symbol.dispose]()
    await this.#witness[Symbol.asyncDispose]()
  }

  /** @returns after how many milliseconds a service has said something about it. */
  async #breakAndMend({ name, afterMs, forMs }: PlannedFault): Promise<number | undefined> {
    await sleep(afterMs)
    using said = new ServiceWords(this.#node.outputs)
    const mend = await FAULTS[name](this.#node, forMs)
    await sleep(forMs)
    await mend()
    return said.noticedMs
  }

  /** What is not yet, or no longer, as it was ordered. */
  async #unsettled(mayDie: boolean): Promise<string[]> {
    let rows: readonly WitnessedRow[]
    try {
      rows = await this.#witness.rows()
    } catch (error) {
      return words(error)
    }
    const missing = [...this.#idOf.keys()].filter((name) => !rows.some((row) => row.name === name))
    const wrong = [
      ...missing.map((name) => `${name} has no row any more`),
      ...rows.flatMap((row) => this.#unsettledIn(row, mayDie)),
    ]
    if (wrong.length > 0) return wrong
    const running = rows.filter(({ state }) => state === 'running').length
    const connected = await this.#node.agentsConnected().catch(() => NaN)
    return connected === running ? [] : [`hkd is in touch with ${connected} agents of ${running}`]
  }

  #unsettledIn({ id, name, state, fault, open, outcome }: WitnessedRow, mayDie: boolean): string[] {
    const machines = this.#witness.machines.of(id).length
    const isUp = state === 'running'
    const goal = this.#orders.goals.get(name) ?? 'down'
    const isAtRest = AT_REST.includes(state as VmState)
    if (!isUp && !isAtRest) return [`${name} is ${state}`]
    if (open > 0) return [`${name} is ${state}, and ${open} wishes are open`]
    if (machines !== (isUp ? 1 : 0))
      return [`${name} is ${state} in the database, and ${machines} machines run`]
    if (state === 'failed' && fault === null) return [`${name} has failed without a reason`]
    if (goal === 'down' && isUp) return [`${name} runs, and was told to stop; last wish ${outcome ?? ''}`]
    if (goal === 'up' && state === 'stopped' && !mayDie)
      return [`${name} is stopped, and was told to run; last wish ${outcome ?? ''}`]
    return []
  }

  /** Whoever's machine has died is not started again by itself: from here on it is to be down. */
  async #accept(): Promise<void> {
    for (const { name, state } of await this.#witness.rows())
      if (state === 'stopped') this.#orders.goals.set(name, 'down')
  }

  async #lookAround(): Promise<string[]> {
    const fallen = this.#node.fallen().map((service) => `${service} has ended by itself`)
    await this.#witness.checkCommitted(this.#orders.wishes)
    const rows = await this.#witness.rows()
    const forgotten = rows.flatMap(({ name, blocked, tag }) => [
      ...((this.#orders.blocked.get(name) ?? false) === blocked
        ? []
        : [`${name}: a block is not as it was acknowledged`]),
      ...((this.#orders.tags.get(name) ?? 'default') === tag
        ? []
        : [`${name}: the tag is not as it was acknowledged`]),
    ])
    const notes = await this.#node.sql<{ id: number; value: string }>(
      "SELECT vm_id AS id, value FROM ostler.vm_property WHERE key = 'chaos'",
    )
    const kept = new Map(notes.map(({ id, value }) => [id, value]))
    for (const [name, value] of this.#orders.notes)
      if (kept.get(this.#idOf.get(name) ?? 0) !== value)
        forgotten.push(`${name}: a property is not as it was acknowledged`)
    return [...fallen, ...forgotten, ...this.#witness.take()]
  }

  /** Starts what must be watched and does not run, and looks at it again. */
  async #watchAgain(): Promise<void> {
    for (let desktop = 0; desktop < WATCHED; desktop++) {
      const name = this.#node.name(desktop)
      const stream = this.#streams.get(name)
      if (stream !== undefined && stream.ended() === undefined) continue
      stream?.[Symbol.dispose]()
      this.#streams.set(name, await this.#lookAt(desktop))
    }
  }

  /** A start may fail for its own reasons, such as its script. */
  async #lookAt(desktop: number): Promise<LiveStream> {
    const name = this.#node.name(desktop)
    let last: unknown
    for (let tries = 0; tries < 5; tries++) {
      await this.#orders.give({ kind: 'start', desktop, afterMs: 0 })
      await comesToHold(async () => (await this.#unsettled(false)).length === 0, SETTLED_MS, LOOK_MS)
      try {
        return await openStream(this.#node, name, this.#idOf.get(name) ?? 0)
      } catch (error) {
        last = error
      }
    }
    throw new Error(`${name} cannot be looked at`, { cause: last })
  }
}

/** Whoever was disconnected is cut off, also when the door has to find it by itself. */
async function ends(name: string, stream: LiveStream): Promise<readonly string[]> {
  const isOver = await comesToHold(() => stream.ended() !== undefined, SETTLED_MS, LOOK_MS)
  return isOver ? [] : [`the stream of ${name} goes on, though an administrator has ended it`]
}

/** Looks whether a stream still brings what it should. */
async function flows(name: string, stream: LiveStream): Promise<string[]> {
  const before = stream.bytes()
  const lives = await comesToHold(
    () => stream.ended() !== undefined || stream.bytes() > before,
    STREAM_MS,
    10,
  )
  const ended = stream.ended()
  if (ended !== undefined) return [`the stream of ${name} has ended: ${ended}`]
  return lives ? [] : [`nothing comes any more in the stream of ${name}`]
}

function words(error: unknown): string[] {
  if (!(error instanceof Error)) return [String(error)]
  return [error.cause === undefined ? error.message : `${error.message}: ${words(error.cause).join('; ')}`]
}
