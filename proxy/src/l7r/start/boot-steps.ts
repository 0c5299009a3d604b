import type { TimelineStep } from '@ostler/contract/timeline.ts'
import type { Db } from '../../store/open.ts'
import { reachStep } from '../../store/vms.ts'

/** A step and when it was reached, in ISO 8601; now when not given. */
export type ReachedStep = readonly [step: TimelineStep, at?: string]

/**
 * The steps of a boot that a door sees, written once: each is reached by the first connection to a boot, and the
 * hundreds that may follow would only ask the database to do nothing.
 */
export class BootSteps {
  readonly #db: Db
  /** Of each desktop the boot that we wrote about last, and what. */
  readonly #written = new Map<number, { epoch: number; steps: Set<TimelineStep> }>()

  constructor(db: Db) {
    this.#db = db
  }

  /** Writes what is not written yet. Throws what the database throws; it is then tried again next time. */
  async reached(
    vm: { readonly id: number; readonly epoch: number },
    steps: readonly ReachedStep[],
  ): Promise<void> {
    const before = this.#written.get(vm.id)
    const written = before?.epoch === vm.epoch ? before : { epoch: vm.epoch, steps: new Set<TimelineStep>() }
    this.#written.set(vm.id, written)
    await Promise.all(
      steps.map(async ([step, at]) => {
        if (written.steps.has(step)) return
        await reachStep(this.#db, vm.id, vm.epoch, step, at)
        written.steps.add(step)
      }),
    )
  }
}
