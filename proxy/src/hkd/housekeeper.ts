import { causedBy } from '@ostler/kit/log/cause.ts'
import { Series } from '@ostler/kit/series.ts'
import type { Hypervisor, Processes } from '../hypervisor/hypervisor.ts'
import { decide } from '../model/decide.ts'
import { AT_REST } from '../model/start-queue.ts'
import { type Retry, retryOf } from '../model/start-retry.ts'
import { deadlineOf, type VmEvent, type VmState } from '../model/vm-machine.ts'
import { type MergedWish, mergeWishes, ONE_TIME_WISHES } from '../model/wish.ts'
import { tickHost } from '../store/hosts.ts'
import { closeLapsedWishes, holdVm } from '../store/start-queue.ts'
import { forgetFailures, planVm, serveWishes, type VmPlan, vmsToStep, type VmToStep } from '../store/vms.ts'
import { AgentWatches, type AgentWatchesParts } from './agent-watches.ts'
import type { CaptureKeeper } from './capture-keeper.ts'
import { driverOf, systemOf } from './desktop/boot-spec.ts'
import { type Effect, EntryEffects, type EntryEffectsParts } from './desktop/entry-effects.ts'
import { keepExpiry } from './desktop/expiry-duty.ts'
import { letRest } from './desktop/failed-rest.ts'
import { LookAgain } from './desktop/look-again.ts'
import { Moves, type MovesParts } from './desktop/moves.ts'
import { StartTurns, type StartTurnsParts } from './desktop/start-turns.ts'
import { ExpiryNotice } from './desktop/expiry-notice.ts'
import { resetIfDue } from './desktop/pooled-reset.ts'

export interface HousekeeperParts extends AgentWatchesParts, EntryEffectsParts, MovesParts, StartTurnsParts {
  /** How often a user is told that her desktop expires. */
  readonly remindMs: number
  /** Says that the node lives, where nobody else does. */
  readonly lives?: () => Promise<void>
  /**
   * Whether desktops may run here now. While not, nothing is decided: what has ended may have been ended by the fence, which is told
   * before this holds again. Without: always.
   */
  readonly mayRun?: () => boolean
  /** Makes images of desktops at rest; without: none are made here. */
  readonly captures?: CaptureKeeper
}

const TICK_MS = 2_000
/** Of so many ticks one looks also at desktops that wait for their turn, in case a hint about them was lost. */
const FULL_EVERY = 5
/** How often the processes of a desktop are looked at while they are expected to come or go. No row is read for it. */
const WATCH_MS: Partial<Record<VmState, number>> = { booting: 200, stopping: 50 }
/** How often what must be dead is killed again. */
const KILL_AGAIN_MS = 200

/** Why a desktop at rest that is wished up does not start. */
const STILL_THERE = 'processes of its last run have not ended yet'

/** Where processes of ours have no business any more: they are killed at every look. */
const MUST_BE_DEAD: readonly VmState[] = ['killing', 'lost', ...AT_REST]

type Wish = VmPlan['wishes'][number]

/** What one look at a desktop has found, besides its row. */
interface Sight {
  readonly hypervisor: Hypervisor
  readonly effect: Effect
  readonly processes: Processes
  /** How long it has been in its state, as far as this process can tell. */
  readonly ageMs: number
  /** It has processes where it must have none. */
  readonly mustDie: boolean
  readonly merged: MergedWish<Wish> | undefined
  readonly retry: Retry
}

/**
 * Brings every desktop of this node to where it is wished: look, decide, move the row, run the entry effect of the
 * new state. Desktops go side by side, each strictly in series. Nothing is remembered that cannot be found again
 * by looking: after a restart the entry effects simply run once more.
 */
export class Housekeeper {
  readonly #parts: HousekeeperParts
  readonly #series: Series<number>
  readonly #agents: AgentWatches
  readonly #effects: EntryEffects
  readonly #turns: StartTurns
  readonly #moves: Moves
  readonly #again: LookAgain
  readonly #notice: ExpiryNotice
  readonly #abort = new AbortController()
  #tick: NodeJS.Timeout | undefined
  #ticks = 0
  #closed = false

  constructor(parts: HousekeeperParts) {
    const look = (id: number): void => this.look(id)
    this.#parts = parts
    this.#series = new Series((id) => this.#stepUntilQuiet(id))
    this.#agents = new AgentWatches(parts, look)
    this.#effects = new EntryEffects(parts, this.#agents, look)
    this.#turns = new StartTurns(parts, look)
    this.#moves = new Moves(parts, this.#agents, this.#turns, (id) => this.#forget(id))
    this.#again = new LookAgain(look)
    this.#notice = new ExpiryNotice(parts.db, parts.log, this.#abort.signal)
  }

  start(): void {
    const { db, hostId, metrics, lives = () => tickHost(db, hostId) } = this.#parts
    metrics.ticked()
    metrics.agentsUp = () => this.#agents.up
    this.lookAtAll()
    this.#tick = setInterval(() => {
      lives()
        .then(() => closeLapsedWishes(db))
        .then(() => {
          metrics.ticked()
          this.#lookAround(++this.#ticks % FULL_EVERY === 0)
        })
        .catch((error: unknown) => this.#parts.log.warn('tick failed', { error }))
    }, TICK_MS)
  }

  /** Looks at one desktop now. */
  look(id: number): void {
    if (!this.#closed) this.#series.request(id)
  }

  /** Looks at every desktop that may concern this node. */
  lookAtAll(): void {
    this.#lookAround(true)
  }

  /** @param fully also at those which wait for their turn, that is each of them at a whole queue. */
  #lookAround(fully: boolean): void {
    if (this.#turns.size > 0) this.#turns.lookAtNext()
    const isDue = (vm: VmToStep): boolean => !this.#isQuiet(vm) && (fully || !this.#turns.has(vm.id))
    vmsToStep(this.#parts.db, this.#parts.hostId)
      .then((vms) => vms.filter(isDue).forEach(({ id }) => this.look(id)))
      .catch((error: unknown) => this.#parts.log.warn('desktops could not be listed', { error }))
  }

  /** True for a desktop that runs as it should: nothing would come of reading more about it. */
  #isQuiet(vm: VmToStep): boolean {
    if (!vm.isServed || vm.state !== 'running') return false
    const effect = this.#effects.doneOf(vm)
    if (effect === undefined || this.#agents.linkOf(vm.id) === undefined) return false
    return effect.hypervisor.observe(vm.id).processes === 'present'
  }

  /** Stops deciding. The desktops live on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#abort.abort()
    clearInterval(this.#tick)
    this.#turns[Symbol.dispose]()
    this.#again[Symbol.dispose]()
    await this.#series.idle()
    this.#agents[Symbol.dispose]()
  }

  async #stepUntilQuiet(id: number): Promise<void> {
    try {
      while (!this.#closed && (await this.#step(id)));
    } catch (error) {
      this.#parts.log.error('step failed', { vm: id, error })
      this.#again.later(id, TICK_MS)
    }
  }

  /** One look, one decision, one move. Returns true when the desktop moved and should be looked at again. */
  async #step(id: number): Promise<boolean> {
    const { db, hostId, mayRun } = this.#parts
    if (mayRun?.() === false) {
      this.#again.later(id, TICK_MS)
      return false
    }
    const plan = await planVm(db, id)
    if (plan === undefined || (plan.hostId !== null && plan.hostId !== hostId)) {
      this.#forget(id)
      return false
    }
    const merged = mergeWishes(plan.wishes)
    // What is done now is done for whoever has wished it: the log says so.
    return await causedBy(merged?.wish.connection ?? undefined, () => this.#stepTowards(plan, merged))
  }

  async #stepTowards(plan: VmPlan, merged: MergedWish<Wish> | undefined): Promise<boolean> {
    const { db, hypervisors, retries } = this.#parts
    const { id } = plan
    const effect = this.#effects.ensure(plan)
    const hypervisor = driverOf(hypervisors, plan)
    const { processes, agentAt } = hypervisor.observe(id)
    const mustDie = processes === 'present' && MUST_BE_DEAD.includes(plan.state)
    if (mustDie) await hypervisor.kill(id)
    if (AT_REST.includes(plan.state) && !(await this.#mayStart(plan, hypervisor))) return false
    const ageMs = Math.min(plan.ageMs, performance.now() - effect.since)
    await this.#agents.note(plan)
    if (plan.resetAsked && plan.state !== 'failed') await forgetFailures(db, id)
    const retry = retryOf(plan, retries)
    const sight = { hypervisor, effect, processes, ageMs, mustDie, merged, retry }
    const event = this.#decide(plan, sight)
    if (event === 'start' && !(await this.#turns.isAble(plan))) return false
    if (event !== undefined) return await this.#moves.move(plan, event, { effect, agentAt })
    return await this.#stay(plan, sight)
  }

  #decide(plan: VmPlan, { ageMs, merged, processes, effect, retry }: Sight): VmEvent | undefined {
    return decide({
      state: plan.state,
      hypervisor: plan.hypervisor,
      ageMs,
      goal: merged?.goal,
      processes,
      effect: effect.status,
      agentUp: this.#agents.linkOf(plan.id) !== undefined,
      agentLost: !plan.seated && this.#agents.lostOf(plan.id) !== undefined,
      faulty: plan.fault !== null,
      mayTry: retry.kind === 'now',
      resetAsked: plan.resetAsked,
    })
  }

  /** A desktop that stays in its state: wishes that are fulfilled end, and it is looked at again in time. */
  async #stay(plan: VmPlan, sight: Sight): Promise<boolean> {
    const { db } = this.#parts
    const { merged, retry } = sight
    if (merged !== undefined && settled(plan.state, merged.goal)) {
      if (!ONE_TIME_WISHES[merged.goal].includes(merged.wish.kind)) return false
      await serveWishes(db, plan.id, merged.goal, `already ${plan.state}`)
      return true
    }
    if (plan.state === 'failed' && merged?.goal === 'up') {
      const lookInMs = await letRest(db, plan, retry)
      if (Number.isFinite(lookInMs)) this.#again.later(plan.id, lookInMs)
      return false
    }
    if (AT_REST.includes(plan.state) && merged?.goal === 'up') await holdVm(db, plan.id, STILL_THERE)
    await this.#lookInTime(plan, sight)
    return false
  }

  async #lookInTime(plan: VmPlan, { hypervisor, processes, ageMs, mustDie }: Sight): Promise<void> {
    const { id, state } = plan
    const untilExpiry = state === 'running' ? await this.#keepExpiry(plan) : Infinity
    const untilLost = state === 'running' ? this.#agents.lookInMs(id) : Infinity
    const deadlineMs = deadlineOf(state, plan.hypervisor)
    const untilDeadline = deadlineMs === null ? Infinity : deadlineMs - ageMs + 10
    const changed = (): boolean => hypervisor.observe(id).processes !== processes
    const until = Math.min(untilDeadline, untilExpiry, untilLost)
    this.#again.later(id, mustDie ? KILL_AGAIN_MS : until, WATCH_MS[state], changed)
  }

  async #keepExpiry(plan: VmPlan): Promise<number> {
    const { db, remindMs } = this.#parts
    const parts = { db, remindMs, notice: this.#notice }
    return await keepExpiry(parts, plan, this.#agents.linkOf(plan.id), () => this.look(plan.id))
  }

  /** What has to be done to a desktop at rest before it may start is done here, in its series. */
  async #mayStart(plan: VmPlan, hypervisor: Hypervisor): Promise<boolean> {
    if (!(await resetIfDue(this.#parts, plan, hypervisor))) return false
    const { captures } = this.#parts
    if (captures === undefined || plan.image === null || hypervisor.observe(plan.id).processes !== 'absent')
      return true
    return await captures.captureIfAsked(systemOf(plan), hypervisor, this.#abort.signal)
  }

  #forget(id: number): void {
    this.#agents.forget(id)
    this.#turns.forget(id)
    this.#effects.forget(id)
    this.#again.forget(id)
  }
}

/** True when a desktop already is where a goal would bring it. */
function settled(state: VmState, goal: 'up' | 'down'): boolean {
  return goal === 'up' ? state === 'running' : AT_REST.includes(state)
}
