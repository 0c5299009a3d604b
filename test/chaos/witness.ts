import { setTimeout as sleep } from 'node:timers/promises'
import type { BrokenNode } from './broken-node.ts'
import { type Machines, watchMachines } from './machines.ts'

/** A desktop's row, as the witness reads it. */
export interface WitnessedRow {
  readonly id: number
  readonly name: string
  readonly state: string
  readonly epoch: number
  readonly fault: string | null
  readonly blocked: boolean
  readonly tag: string
  /** Wishes for one event that nobody has served. */
  readonly open: number
  /** What came of the last one. */
  readonly outcome: string | null
}

const SAMPLE_MS = 100
const ROWS = `
  SELECT vm.id, vm.name, vm.state, vm.epoch, vm.fault, vm.blocked, vm.di_tag AS tag,
    (SELECT count(*)::int FROM ostler.wish WHERE vm_id = vm.id AND closed_at IS NULL
      AND kind IN ('run', 'spare', 'stop', 'expire') AND (expires_at IS NULL OR expires_at > now())) AS open,
    (SELECT kind || ': ' || coalesce(outcome, 'open') FROM ostler.wish WHERE vm_id = vm.id ORDER BY number DESC LIMIT 1) AS outcome
  FROM ostler.vm ORDER BY vm.id`

/**
 * Looks on from outside: at the database as its superuser, at what runs past hkd, and never by anything that it judges. What it
 * finds wrong is kept until it is asked.
 */
export class Witness implements AsyncDisposable {
  readonly machines: Machines
  readonly #node: BrokenNode
  readonly #found: string[] = []
  /** The number of the boot that each machine belongs to. */
  readonly #epochs = new Map<string, number>()
  readonly #sampling: Promise<void>
  #log = { upTo: 0, count: 0 }
  #closed = false

  constructor(node: BrokenNode) {
    this.#node = node
    this.machines = watchMachines(node)
    this.#sampling = this.#sample()
  }

  /** What was found wrong since the last time. */
  take(): string[] {
    return this.#found.splice(0)
  }

  async rows(): Promise<WitnessedRow[]> {
    return await this.#node.sql<WitnessedRow>(ROWS)
  }

  /** Nothing that was committed may be gone: neither a desktop's log nor what an answer has vouched for. */
  async checkCommitted(wishes: ReadonlySet<number>): Promise<void> {
    const [log] = await this.#node.sql<{ upTo: number; count: number; before: number }>(
      `SELECT coalesce(max(id), 0)::int AS "upTo", count(*)::int AS count,
        (count(*) FILTER (WHERE id <= $1))::int AS before FROM ostler.vm_log`,
      [this.#log.upTo],
    )
    if (log !== undefined && log.before !== this.#log.count)
      this.#found.push(`${this.#log.count - log.before} committed rows of the desktops' log are gone`)
    if (log !== undefined) this.#log = { upTo: log.upTo, count: log.count }
    const there = await this.#node.sql<{ number: number }>('SELECT number FROM ostler.wish')
    const numbers = new Set(there.map(({ number }) => number))
    for (const wish of wishes)
      if (!numbers.has(wish)) this.#found.push(`wish ${wish} was acknowledged and is gone`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await this.#sampling
    this.machines[Symbol.dispose]()
  }

  async #sample(): Promise<void> {
    while (!this.#closed) {
      await this.#look().catch(() => {}) // the database is away: there is nothing to compare with
      await sleep(SAMPLE_MS)
    }
  }

  /** A machine belongs to one boot: while it lives its desktop's row has the same number, or two boots overlap. */
  async #look(): Promise<void> {
    const before = new Map((await this.rows()).map(({ id }) => [id, this.machines.of(id)] as const))
    for (const { id, name, epoch } of await this.rows()) {
      const machines = this.machines.of(id)
      if (machines.length > 1)
        this.#found.push(`${name} runs ${machines.length} times: ${machines.join(', ')}`)
      for (const machine of machines) {
        if (before.get(id)?.includes(machine) !== true) continue
        const known = this.#epochs.get(machine) ?? epoch
        this.#epochs.set(machine, known)
        if (known !== epoch)
          this.#found.push(`${name}: ${machine} is of boot ${known}, and boot ${epoch} has begun beside it`)
      }
    }
  }
}
