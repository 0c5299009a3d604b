import type { TimelineStep } from '@ostler/contract/timeline.ts'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { FolderRoom } from '../hypervisor/storage/file-systems.ts'
import { VM_STATES, type VmState } from '../model/vm-machine.ts'

/** The steps of a start that hkd sees; the others are the door's. */
const STEPS: readonly TimelineStep[] = ['placed', 'prepared', 'booting', 'agent up']

/** Says how many desktops of this node are in each state. */
export type CountDesktops = () => Promise<Partial<Record<VmState, number>>>

/** What the housekeeping daemon of a node counts. No label names a desktop or a person. */
export class HkdMetrics {
  readonly registry = new Registry()
  /** How many agents answer now. */
  agentsUp: () => number = () => 0
  /** When the last verified backup was asked for, in seconds since 1970; 0: never. */
  backupVerifiedAt: () => number = () => 0
  /** What the file systems of the storage folders have left. */
  storageRoom: () => readonly FolderRoom[] = () => []
  #lastTick = performance.now()

  readonly #starts = new Counter({
    name: 'ostler_hkd_starts_total',
    help: 'Desktops that were started and run.',
    registers: [this.registry],
  })
  readonly #steps = new Histogram({
    name: 'ostler_hkd_start_step_seconds',
    help: 'How long each step of a start took, from the step before it; the first from the wish.',
    labelNames: ['step'],
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
    registers: [this.registry],
  })
  readonly #failures = new Counter({
    name: 'ostler_hkd_failures_total',
    help: "Starts that failed, by the fault's code; refused: no node had room; exited, deadline: as docs/states.md has it; other: no fault of ours.",
    labelNames: ['code'],
    registers: [this.registry],
  })

  /** @param count asked when somebody looks; while it fails the last answer stands. */
  constructor(count: CountDesktops) {
    const age = (): number => (performance.now() - this.#lastTick) / 1_000
    const up = (): number => this.agentsUp()
    const verifiedAt = (): number => this.backupVerifiedAt()
    new Gauge({
      name: 'ostler_hkd_desktops',
      help: 'Desktops of this node, by state. One that is at rest belongs to no node.',
      labelNames: ['state'],
      registers: [this.registry],
      async collect() {
        const counts = await count().catch(() => undefined)
        if (counts !== undefined) for (const state of VM_STATES) this.set({ state }, counts[state] ?? 0)
      },
    })
    new Gauge({
      name: 'ostler_hkd_agents_connected',
      help: 'Agents that answer now.',
      registers: [this.registry],
      collect() {
        this.set(up())
      },
    })
    new Gauge({
      name: 'ostler_hkd_backup_verified_timestamp_seconds',
      help: 'When the last backup was asked for that was verified; 0: there is none.',
      registers: [this.registry],
      collect() {
        this.set(verifiedAt())
      },
    })
    const rooms = (): readonly FolderRoom[] => this.storageRoom()
    new Gauge({
      name: 'ostler_hkd_storage_free_bytes',
      help: 'Bytes that are free below a storage folder, by its name in the configuration.',
      labelNames: ['folder'],
      registers: [this.registry],
      collect() {
        for (const { name, freeBytes } of rooms()) this.set({ folder: name }, freeBytes)
      },
    })
    new Gauge({
      name: 'ostler_hkd_storage_full',
      help: '1 where a storage folder has less room than the reserve, or is read-only: no new desktop starts, running ones are in danger.',
      labelNames: ['folder'],
      registers: [this.registry],
      collect() {
        for (const { name, lack } of rooms()) this.set({ folder: name }, lack === undefined ? 0 : 1)
      },
    })
    new Gauge({
      name: 'ostler_hkd_tick_age_seconds',
      help: 'Since the last tick that reached the database; one is due every two seconds.',
      registers: [this.registry],
      collect() {
        this.set(age())
      },
    })
  }

  /** The node has said that it lives. */
  ticked(): void {
    this.#lastTick = performance.now()
  }

  /** A desktop runs. @param timeline the steps of its start, in order of time. */
  started(timeline: readonly { readonly step: TimelineStep; readonly at: Date }[]): void {
    this.#starts.inc()
    for (const [index, { step, at }] of timeline.entries()) {
      const before = timeline[index - 1]
      if (before === undefined || !STEPS.includes(step)) continue
      this.#steps.observe({ step }, Math.max(0, at.getTime() - before.at.getTime()) / 1_000)
    }
  }

  /** @param code of a closed list: a fault's, or what `ostler_hkd_failures_total` names. */
  failed(code: string): void {
    this.#failures.inc({ code })
  }
}
