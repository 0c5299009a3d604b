import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { causedBy } from '@ostler/kit/log/cause.ts'
import { withoutSecrets } from '@ostler/kit/log/redact.ts'
import { Series } from '@ostler/kit/series.ts'
import type { LoadBalancer } from '../balance/balancer.ts'
import { CONSOLE_TAIL_BYTES } from '../hypervisor/console-tail.ts'
import type { DesktopSpec, Hypervisor, Hypervisors } from '../hypervisor/hypervisor.ts'
import type { AgentAt } from '../model/agent-at.ts'
import type { AgentPatience } from '../model/agent-verdict.ts'
import { backOff } from '../model/back-off.ts'
import { decide } from '../model/decide.ts'
import { expiryStep } from '../model/expiry.ts'
import type { HypervisorKind } from '../model/hypervisor-kind.ts'
import { AT_REST, STARTING, startOrder } from '../model/start-queue.ts'
import { type Retry, retryOf, type RetryRules } from '../model/start-retry.ts'
import { deadlineOf, next, type VmEvent, type VmState } from '../model/vm-machine.ts'
import { isPersistent, type MergedWish, mergeWishes, ONE_TIME_WISHES } from '../model/wish.ts'
import { markHomeMade } from '../store/homes.ts'
import { tickHost } from '../store/hosts.ts'
import type { Db } from '../store/open.ts'
import { closeLapsedWishes, holdVm, readStartQueue } from '../store/start-queue.ts'
import {
  addWish,
  forgetFailures,
  moveVm,
  NOT_YET,
  placeVm,
  planVm,
  readTimeline,
  serveWishes,
  type Transition,
  type Trouble,
  type VmPlan,
  vmsToStep,
  type VmToStep,
  warnOfVm,
} from '../store/vms.ts'
import { AgentWatches } from './agent-watches.ts'
import { ExpiryNotice } from './expiry-notice.ts'
import { ImageWork } from './image-work.ts'
import { EXPIRY, moveDetails } from './move-details.ts'
import type { HkdMetrics } from './hkd-metrics.ts'
import { troubleOf } from './trouble.ts'
import type { Trust } from './trust.ts'

export interface HousekeeperParts {
  readonly db: Db
  readonly hostId: number
  readonly hypervisors: Hypervisors
  readonly balancer: LoadBalancer
  readonly trust: Trust
  readonly run: string
  readonly displayUid: number
  /** Every node has the same homes. */
  readonly homesShared: boolean
  /** How often a user is told that her desktop expires. */
  readonly remindMs: number
  readonly metrics: HkdMetrics
  /** Why no desktop can start from an image here yet, in words. */
  readonly holds?: (image: NonNullable<VmPlan['image']>) => string | undefined
  /** Disk images that are worked on at once. */
  readonly imagesAtOnce: number
  /** When the desktop of a silent agent is stopped, unless somebody sits there. */
  readonly patience: AgentPatience
  /** When a start that failed is tried again by itself. */
  readonly retries: RetryRules
  readonly log: Log
}

const TICK_MS = 2_000
/** Of so many ticks one looks also at desktops that wait for their turn, in case a hint about them was lost. */
const FULL_EVERY = 5
/** How often the processes of a desktop are looked at while they are expected to come or go. No row is read for it. */
const WATCH_MS: Partial<Record<VmState, number>> = { booting: 200, stopping: 50 }
/** How often what must be dead is killed again. */
const KILL_AGAIN_MS = 200
/** A timer cannot wait for a month. */
const DAY_MS = 86_400_000

/** Why a desktop at rest that is wished up does not start. */
const STILL_THERE = 'processes of its last run have not ended yet'

/** Where processes of ours have no business any more: they are killed at every look. */
const MUST_BE_DEAD: readonly VmState[] = ['killing', 'lost', ...AT_REST]

interface Effect {
  readonly key: string
  /** When this process first saw the state, in `performance.now()`. */
  readonly since: number
  status: 'pending' | 'done' | 'failed'
  trouble: Trouble | undefined
  /** What runs the desktop in that state. */
  readonly hypervisor: Hypervisor
}

/**
 * Brings every desktop of this node to where it is wished: look, decide, move the row, run the entry effect of the
 * new state. Desktops go side by side, each strictly in series. Nothing is remembered that cannot be found again
 * by looking: after a restart the entry effects simply run once more.
 */
export class Housekeeper {
  readonly #parts: HousekeeperParts
  readonly #series: Series<number>
  readonly #effects = new Map<number, Effect>()
  readonly #agents: AgentWatches
  readonly #timers = new Map<number, NodeJS.Timeout>()
  /** Desktops whose turn had not come when we last looked. */
  readonly #waiting = new Set<number>()
  readonly #notice: ExpiryNotice
  readonly #abort = new AbortController()
  readonly #images: ImageWork
  #tick: NodeJS.Timeout | undefined
  #ticks = 0
  #closed = false

  constructor(parts: HousekeeperParts) {
    this.#parts = parts
    this.#series = new Series((id) => this.#stepUntilQuiet(id))
    this.#agents = new AgentWatches(parts, (id) => this.look(id))
    this.#notice = new ExpiryNotice(parts.db, parts.log, this.#abort.signal)
    const { imagesAtOnce: atOnce, log } = parts
    this.#images = new ImageWork({ atOnce, log, onEnd: (id, failure) => this.#imageEnded(id, failure) })
  }

  start(): void {
    const { db, hostId, metrics } = this.#parts
    metrics.ticked()
    metrics.agentsUp = () => this.#agents.up
    this.lookAtAll()
    this.#tick = setInterval(() => {
      tickHost(db, hostId)
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
    if (this.#waiting.size > 0) this.#lookAtNext()
    const isDue = (vm: VmToStep): boolean => !this.#isQuiet(vm) && (fully || !this.#waiting.has(vm.id))
    vmsToStep(this.#parts.db, this.#parts.hostId)
      .then((vms) => vms.filter(isDue).forEach(({ id }) => this.look(id)))
      .catch((error: unknown) => this.#parts.log.warn('desktops could not be listed', { error }))
  }

  /** True for a desktop that runs as it should: nothing would come of reading more about it. */
  #isQuiet({ id, state, epoch, isServed }: VmToStep): boolean {
    const effect = this.#effects.get(id)
    if (!isServed || state !== 'running') return false
    if (effect?.key !== `${epoch} running` || effect.status !== 'done') return false
    if (this.#agents.linkOf(id) === undefined) return false
    return effect.hypervisor.observe(id).processes === 'present'
  }

  /** Stops deciding. The desktops live on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#abort.abort()
    clearInterval(this.#tick)
    for (const timer of this.#timers.values()) clearTimeout(timer)
    await this.#series.idle()
    this.#agents[Symbol.dispose]()
  }

  async #stepUntilQuiet(id: number): Promise<void> {
    try {
      while (!this.#closed && (await this.#step(id)));
    } catch (error) {
      this.#parts.log.error('step failed', { vm: id, error })
      this.#lookLater(id, TICK_MS)
    }
  }

  /** One look, one decision, one move. Returns true when the desktop moved and should be looked at again. */
  async #step(id: number): Promise<boolean> {
    const { db, hostId } = this.#parts
    const plan = await planVm(db, id)
    if (plan === undefined || (plan.hostId !== null && plan.hostId !== hostId)) {
      this.#forget(id)
      return false
    }
    const merged = mergeWishes(plan.wishes)
    return await causedBy(merged?.wish.connection ?? undefined, () => this.#stepTowards(plan, merged))
  }

  /** What is done now is done for whoever has wished it: the log says so. */
  async #stepTowards(
    plan: VmPlan,
    merged: MergedWish<VmPlan['wishes'][number]> | undefined,
  ): Promise<boolean> {
    const { db } = this.#parts
    const { id } = plan
    const effect = this.#ensureEffect(plan)
    const hypervisor = this.#driverOf(plan)
    const { processes, agentAt } = hypervisor.observe(id)
    const mustDie = processes === 'present' && MUST_BE_DEAD.includes(plan.state)
    if (mustDie) await hypervisor.kill(id)
    const ageMs = Math.min(plan.ageMs, performance.now() - effect.since)
    await this.#agents.note(plan)
    if (plan.resetAsked && plan.state !== 'failed') await forgetFailures(db, id)
    const retry = retryOf(plan, this.#parts.retries)
    const event = decide({
      state: plan.state,
      hypervisor: plan.hypervisor,
      ageMs,
      goal: merged?.goal,
      processes,
      effect: effect.status,
      agentUp: this.#agents.linkOf(id) !== undefined,
      agentLost: !plan.seated && this.#agents.lostOf(id) !== undefined,
      faulty: plan.fault !== null,
      mayTry: retry.kind === 'now',
      resetAsked: plan.resetAsked,
    })
    if (event === 'start' && !(await this.#isAble(plan))) return false
    if (event !== undefined) return await this.#move(plan, event, effect, agentAt)
    if (merged !== undefined && settled(plan.state, merged.goal)) {
      if (!ONE_TIME_WISHES[merged.goal].includes(merged.wish.kind)) return false
      await serveWishes(db, id, merged.goal, `already ${plan.state}`)
      return true
    }
    if (plan.state === 'failed' && merged?.goal === 'up') return await this.#wait(plan, retry)
    if (AT_REST.includes(plan.state) && merged?.goal === 'up') await holdVm(db, id, STILL_THERE)
    const untilExpiry = plan.state === 'running' ? await this.#expire(plan) : Infinity
    const untilLost = plan.state === 'running' ? this.#agents.lookInMs(id) : Infinity
    const deadlineMs = deadlineOf(plan.state, plan.hypervisor)
    const untilDeadline = deadlineMs === null ? Infinity : deadlineMs - ageMs + 10
    const changed = (): boolean => hypervisor.observe(id).processes !== processes
    const until = Math.min(untilDeadline, untilExpiry, untilLost)
    this.#lookLater(id, mustDie ? KILL_AGAIN_MS : until, WATCH_MS[plan.state], changed)
    return false
  }

  async #move(plan: VmPlan, event: VmEvent, effect: Effect, agentAt: AgentAt | undefined): Promise<boolean> {
    const { db, metrics, log } = this.#parts
    const to = next(plan.state, event)
    if (to === undefined) throw new Error(`decide gave ${event} in ${plan.state}`)
    const move = { vm: plan, event, to, ...this.#detailsOf(plan, event, to, effect, agentAt) }
    if (AT_REST.includes(to)) {
      // First free, then say so: if we die between, the next look does both again.
      const fault = to === 'failed' ? move.fault : undefined
      await this.#driverOf(plan).release(
        plan.id,
        fault == null ? undefined : { epoch: plan.epoch, fault: fault.text },
      )
      this.#forget(plan.id)
    }
    const epoch = to === 'preparing' ? await this.#place(plan, move) : await moveVm(db, move)
    if (epoch === NOT_YET) {
      this.#waiting.add(plan.id)
      return false // whoever frees a place looks at us
    }
    this.#waiting.delete(plan.id)
    if (epoch === undefined) return true
    if (to === 'running' && plan.state === 'booting') await this.#countStart(plan.id)
    const isStarting = plan.state === 'preparing' || plan.state === 'booting'
    if (isStarting && (to === 'failed' || to === 'killing')) metrics.failed(failureCode(effect, event))
    log.info('vm moved', { vm: plan.id, event, from: plan.state, to, epoch, afterMs: Math.round(plan.ageMs) })
    if (STARTING.includes(plan.state) && !STARTING.includes(to)) this.#lookAtNext()
    return true
  }

  /** What is written with a move, and what the boot has said where it went wrong. */
  #detailsOf(
    plan: VmPlan,
    event: VmEvent,
    to: VmState,
    { trouble }: Effect,
    agentAt: AgentAt | undefined,
  ): Omit<Transition, 'vm' | 'event' | 'to'> {
    const lostAgent = this.#agents.lostOf(plan.id)
    const retryInMs = backOff(plan.failures + 1, this.#parts.retries)
    const found = { trouble, lostAgent, retryInMs, agentAt, hypervisor: this.#wantedBy(plan) }
    const details = moveDetails(plan, event, to, found)
    if (to !== 'failed' && event !== 'agentLost') return details
    const said = withoutSecrets(this.#driverOf(plan).consoleTail?.(plan.id) ?? '')
    return said === '' ? details : { ...details, console: said.slice(-CONSOLE_TAIL_BYTES) }
  }

  /** A failed desktop that may not be tried now: who waits is told why, and what is wished by itself waits for its time. */
  async #wait(plan: VmPlan, retry: Retry): Promise<boolean> {
    const { db } = this.#parts
    const { id, name, failures } = plan
    const reason = plan.fault ?? 'nobody knows why'
    if (retry.kind === 'now') return false // decided on otherwise
    if (retry.kind === 'later') {
      const at = plan.nextTryAt?.toISOString() ?? 'once'
      await holdVm(db, id, `it is tried again at ${at}, after failure ${failures} in a row: ${reason}`)
      this.#lookLater(id, retry.inMs + 10)
      return false
    }
    const { message, advice } = new Fault('desktop.givenUp', { failures, reason, name })
    await holdVm(db, id, message)
    const isAsked = plan.wishes.some((wish) => ONE_TIME_WISHES.up.includes(wish.kind) && !isPersistent(wish))
    if (isAsked) await serveWishes(db, id, 'up', `${message}. ${advice}`, true)
    return false
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

  /** Finds a node for a start; ends the wishes for it, with the reason, when there is none. */
  async #place(plan: VmPlan, move: Transition): Promise<number | undefined | typeof NOT_YET> {
    const { db, hostId, balancer } = this.#parts
    const placed = await placeVm(db, move, (hosts) => balancer.choose(hosts, plan.flavour), hostId)
    if (typeof placed !== 'object') return placed
    this.#parts.metrics.failed('refused')
    await serveWishes(db, plan.id, 'up', placed.refusal)
    this.#lookAtNext() // it was in the way of others
    return undefined
  }

  /** Says whether nothing but its turn keeps a desktop from starting; what its image needs is begun. */
  async #isAble(plan: VmPlan): Promise<boolean> {
    const { db, hypervisors } = this.#parts
    const hypervisor = hypervisors.by(this.#wantedBy(plan))
    const { image } = plan
    const held = image === null ? undefined : this.#parts.holds?.(image)
    if (held !== undefined) {
      if (await holdVm(db, plan.id, held)) this.#lookAtNext()
      return false
    }
    const work = image === null ? undefined : hypervisor.imageWork?.({ image })
    if (image !== null && work !== undefined) {
      const { name } = image
      if (await holdVm(db, plan.id, `the disk image ${name} is being unpacked`)) this.#lookAtNext()
      this.#images.begin(name, plan.id, work)
      return false
    }
    if (plan.held !== null) await holdVm(db, plan.id, null)
    return true
  }

  /** The next look finds the image; where the work failed, whoever waits is told why. */
  async #imageEnded(id: number, failure: string | undefined): Promise<void> {
    try {
      if (failure !== undefined) {
        await serveWishes(this.#parts.db, id, 'up', failure)
        await holdVm(this.#parts.db, id, null)
      }
    } catch (error) {
      this.#parts.log.error('the end of image work could not be told', { vm: id, error })
    }
    this.look(id)
  }

  /** Looks at the desktops whose turn it is. */
  #lookAtNext(): void {
    if (this.#closed) return
    readStartQueue(this.#parts.db)
      .then((queue) => startOrder(queue).slice(0, queue.free))
      .then((ids) => ids.forEach((id) => this.look(id)))
      .catch((error: unknown) => this.#parts.log.warn('the queue of starts could not be read', { error }))
  }

  /** Runs the entry effect of a state once per boot and process of ours; all of them are idempotent. */
  #ensureEffect(plan: VmPlan): Effect {
    const key = `${plan.epoch} ${plan.state}`
    const known = this.#effects.get(plan.id)
    if (known?.key === key) return known
    const hypervisor = this.#driverOf(plan)
    const effect: Effect = {
      key,
      since: performance.now(),
      status: 'pending',
      trouble: undefined,
      hypervisor,
    }
    this.#effects.set(plan.id, effect)
    this.#enter(plan).then(
      () => {
        effect.status = 'done'
        this.look(plan.id)
      },
      (error: unknown) => {
        effect.status = 'failed'
        effect.trouble = troubleOf(error)
        this.#parts.log.error('effect failed', { vm: plan.id, state: plan.state, error })
        this.look(plan.id)
      },
    )
    return effect
  }

  async #enter(plan: VmPlan): Promise<void> {
    const hypervisor = this.#driverOf(plan)
    switch (plan.state) {
      case 'preparing':
        await this.#prepare(hypervisor, specOf(plan))
        return
      case 'booting':
        await hypervisor.boot(specOf(plan))
        await this.#warn(plan, hypervisor.warning?.())
        this.#agents.watch(plan, hypervisor, true)
        return
      case 'running':
        this.#agents.watch(plan, hypervisor, false)
        return
      case 'stopping':
        await this.#powerOff(plan)
        return
      case 'killing': // every look kills, not only the first
      case 'stopped':
      case 'failed':
      case 'lost':
        return
    }
  }

  async #prepare(hypervisor: Hypervisor, spec: DesktopSpec): Promise<void> {
    const { db, hostId, homesShared } = this.#parts
    await hypervisor.prepare(spec)
    if (!spec.home.isMade) await markHomeMade(db, spec.home.id, homesShared ? null : hostId)
  }

  /** Does what a desktop's expiry demands; returns after how many milliseconds it may demand more. */
  async #expire(plan: VmPlan): Promise<number> {
    const { due, lookInMs } = expiryStep(plan.expiry, this.#parts.remindMs)
    if (due === 'end' && !plan.wishes.some(({ kind }) => kind === 'expire')) {
      const reason = `expired at ${plan.expiry.hard ?? ''}`
      await addWish(this.#parts.db, { vmId: plan.id, kind: 'expire', by: EXPIRY, reason })
    }
    const lookAgain = Math.min(lookInMs, DAY_MS)
    if (due !== 'tell') return lookAgain
    const link = this.#agents.linkOf(plan.id)
    const again = this.#notice.tell(plan, link, () => this.look(plan.id))
    return Math.min(lookAgain, again === 0 ? DAY_MS : again)
  }

  async #powerOff(plan: VmPlan): Promise<void> {
    this.#agents.watch(plan, this.#driverOf(plan), false)
    const agent = this.#agents.linkOf(plan.id)
    try {
      if (agent === undefined)
        throw new Fault('agent.unreachable', { desktop: plan.id, reason: 'not watched' })
      await agent.client.poweroff({})
    } catch {
      await this.#driverOf(plan).powerOff(plan.id)
    }
  }

  async #warn(plan: VmPlan, warning: string | undefined): Promise<void> {
    if (warning === undefined) return
    this.#parts.log.warn('desktop runs with a warning', { vm: plan.id, warning })
    await warnOfVm(this.#parts.db, plan, warning)
  }

  /** What runs its next boot: what its flavour names, else what runs desktops here. */
  #wantedBy({ flavour }: VmPlan): HypervisorKind {
    return flavour.hypervisor ?? this.#parts.hypervisors.usual
  }

  /** What runs its present boot, or ran its last one. */
  #driverOf(plan: VmPlan): Hypervisor {
    return this.#parts.hypervisors.by(plan.hypervisor ?? this.#wantedBy(plan))
  }

  #forget(id: number): void {
    this.#agents.forget(id)
    this.#waiting.delete(id)
    this.#effects.delete(id)
    clearTimeout(this.#timers.get(id))
    this.#timers.delete(id)
  }

  /** Looks again after `ms`, or as soon as `changed` says so, which is asked every `watchMs`. */
  #lookLater(id: number, ms: number, watchMs = Infinity, changed: () => boolean = () => false): void {
    clearTimeout(this.#timers.get(id))
    if (this.#closed || !Number.isFinite(Math.min(ms, watchMs))) return
    const wait = Math.max(Math.min(ms, watchMs), 10)
    const timer = setTimeout(() => {
      if (ms <= wait || changed()) this.look(id)
      else this.#lookLater(id, ms - wait, watchMs, changed)
    }, wait)
    this.#timers.set(id, timer)
  }
}

/** Of the metric's closed list: the fault's code, `other` for what is none, the event where nothing was reported. */
function failureCode({ trouble }: Effect, event: VmEvent): string {
  return trouble === undefined ? event : (trouble.code ?? 'other')
}

/** True when a desktop already is where a goal would bring it. */
function settled(state: VmState, goal: 'up' | 'down'): boolean {
  return goal === 'up' ? state === 'running' : AT_REST.includes(state)
}

function specOf(plan: VmPlan): DesktopSpec {
  if (plan.image === null)
    throw new Fault('image.unusable', {
      image: '(none)',
      reason: `flavour ${plan.flavour.name} has none with the tag ${plan.tag}, or it is blocked`,
    })
  if (plan.home === null) throw new Error(`desktop ${plan.id} is ${plan.state} without a home`)
  return { ...plan, image: plan.image, home: plan.home }
}
