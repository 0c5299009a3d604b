import type { Log } from '@ostler/kit/log.ts'
import { withoutSecrets } from '@ostler/kit/log/redact.ts'
import { CONSOLE_TAIL_BYTES } from '../../hypervisor/console-tail.ts'
import type { Hypervisors } from '../../hypervisor/hypervisor.ts'
import type { AgentAt } from '../../model/agent-at.ts'
import { backOff } from '../../model/back-off.ts'
import { AT_REST, STARTING } from '../../model/start-queue.ts'
import type { RetryRules } from '../../model/start-retry.ts'
import { next, type VmEvent, type VmState } from '../../model/vm-machine.ts'
import type { Db } from '../../store/open.ts'
import { NOT_YET } from '../../store/placing.ts'
import { moveVm, readTimeline, type Transition, type VmPlan } from '../../store/vms.ts'
import type { AgentWatches } from '../agent-watches.ts'
import type { HkdMetrics } from '../hkd-metrics.ts'
import { moveDetails } from './move-details.ts'
import { driverOf, wantedBy } from './boot-spec.ts'
import type { Effect } from './entry-effects.ts'
import type { StartTurns } from './start-turns.ts'

export interface MovesParts {
  readonly db: Db
  readonly hypervisors: Hypervisors
  readonly metrics: HkdMetrics
  /** When a start that failed is tried again by itself. */
  readonly retries: RetryRules
  readonly log: Log
}

/** What a decision is based on, besides the row. */
export interface Seen {
  readonly effect: Effect
  readonly agentAt: AgentAt | undefined
}

/** Brings desktops from one state to the next: what belongs to a move is done and written down with it. */
export class Moves {
  readonly #parts: MovesParts
  readonly #agents: AgentWatches
  readonly #turns: StartTurns
  readonly #onRest: (id: number) => void

  /** @param onRest called with the number of a desktop that comes to rest, before its row says so. */
  constructor(parts: MovesParts, agents: AgentWatches, turns: StartTurns, onRest: (id: number) => void) {
    this.#parts = parts
    this.#agents = agents
    this.#turns = turns
    this.#onRest = onRest
  }

  /**
   * Moves a desktop, if its row still is as it was read.
   * @returns true when it should be looked at again now; false when it waits for its turn to start.
   * @throws what the driver throws when what a desktop at rest has taken cannot be freed.
   */
  async move(plan: VmPlan, event: VmEvent, seen: Seen): Promise<boolean> {
    const { db, metrics, log } = this.#parts
    const to = next(plan.state, event)
    if (to === undefined) throw new Error(`decide gave ${event} in ${plan.state}`)
    const move = { vm: plan, event, to, ...this.#detailsOf(plan, event, to, seen) }
    // First free, then say so: if we die between, the next look does both again.
    if (AT_REST.includes(to)) await this.#bringToRest(plan, event, to === 'failed' ? move.fault : null)
    const epoch = to === 'preparing' ? await this.#turns.place(plan, move) : await moveVm(db, move)
    if (epoch === NOT_YET) return false
    this.#turns.forget(plan.id)
    if (epoch === undefined) return true
    if (to === 'running' && plan.state === 'booting') await this.#countStart(plan.id)
    const isStarting = plan.state === 'preparing' || plan.state === 'booting'
    if (isStarting && (to === 'failed' || to === 'killing')) metrics.failed(failureCode(seen.effect, event))
    log.info('vm moved', { vm: plan.id, event, from: plan.state, to, epoch, afterMs: Math.round(plan.ageMs) })
    if (STARTING.includes(plan.state) && !STARTING.includes(to)) this.#turns.lookAtNext()
    return true
  }

  async #bringToRest(plan: VmPlan, event: VmEvent, fault: Transition['fault']): Promise<void> {
    const evidence = fault == null || !leavesEvidence(plan) ? undefined : fault.text
    await driverOf(this.#parts.hypervisors, plan).release(
      plan.id,
      evidence === undefined ? undefined : { epoch: plan.epoch, fault: evidence },
    )
    await this.#dropSnapshot(plan, event)
    this.#onRest(plan.id)
  }

  /** A snapshot ends with its boot. One that stays for now is emptied before the next boot. */
  async #dropSnapshot(plan: VmPlan, event: VmEvent): Promise<void> {
    if (plan.overlay !== 'snapshot' || plan.poolId !== null || next(plan.state, event) !== 'stopped') return
    if (plan.state === 'failed') return
    await driverOf(this.#parts.hypervisors, plan)
      .reset(plan.id)
      .catch((error: unknown) => this.#parts.log.warn('a snapshot stays for now', { vm: plan.id, error }))
  }

  /** What is written with a move, and what the boot has said where it went wrong. */
  #detailsOf(
    plan: VmPlan,
    event: VmEvent,
    to: VmState,
    { effect: { trouble }, agentAt }: Seen,
  ): Omit<Transition, 'vm' | 'event' | 'to'> {
    const { hypervisors, retries } = this.#parts
    const agent = this.#agents.foundOf(plan.id)
    const lostAgent = this.#agents.lostOf(plan.id)
    const retryInMs = backOff(plan.failures + 1, retries)
    const found = { trouble, agent, lostAgent, retryInMs, agentAt, hypervisor: wantedBy(hypervisors, plan) }
    const details = moveDetails(plan, event, to, found)
    if (to !== 'failed' && event !== 'agentLost') return details
    const said = withoutSecrets(driverOf(hypervisors, plan).consoleTail?.(plan.id) ?? '')
    return said === '' ? details : { ...details, console: said.slice(-CONSOLE_TAIL_BYTES) }
  }

  /** Counts how long each step of a start took. A start counts although its timeline cannot be read. */
  async #countStart(id: number): Promise<void> {
    const { db, metrics, log } = this.#parts
    try {
      metrics.started(await readTimeline(db, id))
    } catch (error) {
      log.warn('a start was not counted', { vm: id, error })
    }
  }
}

/** Of the metric's closed list: the fault's code, `other` for what is none, the event where nothing was reported. */
function failureCode({ trouble }: Effect, event: VmEvent): string {
  return trouble === undefined ? event : (trouble.code ?? 'other')
}

/** A start that failed leaves to look at what nobody else needs: what is kept stays where it is, what a pool's has written is reset. */
function leavesEvidence({ overlay, poolId }: VmPlan): boolean {
  return overlay === 'snapshot' && poolId === null
}
