import type { HookResult, Output, SessionEvent } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { isAlive as isSessionAlive, mayFollow, type SessionState } from '@ostler/contract/session.ts'
import { DeadlineExceeded, withDeadline } from '@ostler/kit/deadline.ts'
import type { Log } from '@ostler/kit/log.ts'
import { cause, causedBy } from '@ostler/kit/log/cause.ts'
import { Observable } from '@ostler/kit/observable.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { Turnstile } from '@ostler/kit/series.ts'
import type { AgentValues } from '../config/options.ts'
import type { ActionHook } from '../hooks/hook-table.ts'
import type { Pairs } from '../hooks/run-hook.ts'
import type { DesktopSession } from './desktop-session.ts'
import { readLogLine } from './nxagent-log.ts'
import type { SessionRequest } from './request.ts'
import type { SessionNumbers, SessionRecord, SessionRecords } from './session-records.ts'
import type { XAgentProcess, XAgents, XSeed } from './x-agent.ts'

export interface SessionParts {
  readonly config: () => AgentValues
  readonly agents: XAgents
  readonly records: SessionRecords
  readonly numbers: SessionNumbers
  readonly log: Log
  readonly hooks: SessionHooks
  /** Makes home and account available; calls `onWork` before the first thing that takes time. */
  readonly provision: (
    request: SessionRequest,
    onWork: () => void,
    signal: AbortSignal,
  ) => Promise<{ account: Account; warnings: readonly string[] }>
  /** What is made ready for every connect and never stops one: time zone, keys and settings of channels. Gives warnings. */
  readonly prepare: (request: SessionRequest, account: Account) => readonly string[]
}

/** The hooks as a session sees them. */
export interface SessionHooks {
  action(name: ActionHook, pairs: Pairs, state: SessionState, signal?: AbortSignal): Promise<void>
  state(state: SessionState): void
  /** Says what hooks are told from now on about whose session this is. */
  describeSession(pairs: Pairs): void
}

/** A start that is under way. */
export interface Opening {
  /** The first hook has agreed and the work begins; QVD's `x_start` answers here. */
  readonly accepted: Promise<void>
  /** The display accepts a connection. */
  readonly ready: Promise<Opened>
}

export type Opened = Omit<Output<'x_start'>, 'ready'>

/** A signal that nxagent did not heed within this time is followed by a poke at its X socket, never by a second signal. */
const POKE_AFTER_MS = 1_500
/** How long a client that was cut may be seen as connected before we suspend it ourselves. */
const CUT_GRACE_MS = 1_000
/** A session that an earlier agent started is no child of ours: its end is looked for. */
const LIVENESS_MS = 10_000
/** How long a seed keeps its connection after the session has started: cut in its first moments it hangs for seconds. */
const SEED_MS = 2_000
/** A seeded session that has not suspended after this loses its first screen all the same. */
const SEED_LIMIT_MS = 60_000
/** So long a suspension or an end waits for its turn: with its hook and its own limits that is what its caller waits. */
const TURN_MS = 8_000
/** xinit normally sees the end of nxagent by itself. */
const XINIT_GRACE_MS = 300

/**
 * The one X session of this desktop. Its processes do not depend on the agent's life: the state is read from nxagent's log
 * and from the process table, never remembered. Operations pass one after the other; every wait has a deadline.
 */
export class XSession implements DesktopSession {
  /** State, number and hooks of the session: a new value with every change. */
  readonly news: Observable<SessionEvent>
  readonly #parts: SessionParts
  readonly #turnstile = new Turnstile()
  #state: Observable<SessionState> = new Observable<SessionState>('stopped')
  #agent: XAgentProcess | undefined
  #seed: XSeed | undefined
  /** The session's number: what waits for one session never acts on the next. */
  #number = 0
  #pairs: Pairs = []
  /** True when a client has been connected to this session: then there is work in it, and only the user or an administrator ends it. */
  #joined = false
  /** One for each browser that sees this session. */
  readonly #viewers = new Set<symbol>()
  #announced = ''
  /** The starts that are under way or wait for their turn, by what they ask for. */
  readonly #openings = new Map<string, Opening>()
  /** The client's connection for which the session was last opened. */
  #cause: string | undefined
  #suspension: Promise<SessionState> | undefined
  #ending: Promise<SessionState> | undefined
  /** What is given up when the session is to end. */
  readonly #underWay = new Set<AbortController>()
  #replaying = false
  #stopFollowing: () => void = () => {}
  #guard: NodeJS.Timeout | undefined
  #liveness: NodeJS.Timeout | undefined
  readonly #timers = new Set<NodeJS.Timeout>()

  constructor(parts: SessionParts) {
    this.#parts = parts
    this.news = new Observable<SessionEvent>({ state: 'stopped', session: 0 })
  }

  get state(): SessionState {
    return this.#state.value
  }

  /** The account of the running session. */
  get account(): Account | undefined {
    return this.#agent?.record.account
  }

  /** The parameters with which the session was last opened. */
  get pairs(): Pairs {
    return this.#pairs
  }

  /** Finds a session that an earlier agent process left running, and goes on with it. */
  recover(): void {
    this.#number = this.#parts.numbers.last()
    this.news.set({ state: this.state, session: this.#number })
    const record = this.#parts.records.read()
    if (record === undefined) return
    const agent = this.#parts.agents.find(record.agent)
    this.#number = record.session
    this.#announced = record.announced
    this.#pairs = record.pairs
    this.#agent = agent
    this.#parts.hooks.describeSession(record.pairs)
    if (!agent.isAlive()) {
      this.#ended(agent)
      return
    }
    // What is in the log happened before us: hooks hear only where it has led.
    this.#replaying = true
    this.#enter('starting') // its log may not have begun
    this.#follow(agent)
    this.#replaying = false
    this.#announce()
    this.#arm()
    this.#liveness = setInterval(() => this.look(), LIVENESS_MS)
    this.#parts.log.info('session found again', { state: this.state, user: record.agent.account.name })
  }

  /** Looks whether the session's processes still live; whoever asks for the state wants the truth. */
  look(): SessionState {
    if (this.#agent?.isAlive() === false) this.#ended(this.#agent)
    return this.state
  }

  /**
   * Brings the session to where the wanted display can be opened; see `x_start` in the contract. A call that asks for what is
   * already under way joins it.
   */
  start(request: SessionRequest): Opening {
    const key = keyOf(request)
    const joined = this.#openings.get(key)
    if (joined !== undefined) return joined
    this.#cause = cause()
    // Who asks for a suspension from now on wants one after this.
    this.#suspension = undefined
    const accepted = Promise.withResolvers<undefined>()
    const ready = this.#operate((signal) => this.#open(request, () => accepted.resolve(undefined), signal))
    const opening = { accepted: accepted.promise, ready }
    this.#openings.set(key, opening)
    this.#armListening()
    ready
      .catch((error: unknown) => accepted.reject(error))
      .finally(() => {
        if (this.#openings.get(key) === opening) this.#openings.delete(key)
        this.#armListening()
      })
    accepted.promise.catch(() => {}) // whoever waits for `ready` hears it too
    return opening
  }

  /** True while exactly this is under way. */
  isOpening(request: SessionRequest): boolean {
    return this.#openings.has(keyOf(request))
  }

  /** See `x_suspend` in the contract. Where nobody has the display there is nothing to do, nor to wait for. */
  suspend(): Promise<SessionState> {
    const state = this.look()
    if (state !== 'connected' && state !== 'listening' && state !== 'suspending')
      return Promise.resolve(state)
    this.#openings.clear() // who starts it from now on wants it after this
    if (this.#suspension !== undefined) return this.#suspension
    const suspension = this.#soon((signal) => this.#suspend(signal)).finally(() => {
      if (this.#suspension === suspension) this.#suspension = undefined
    })
    this.#suspension = suspension
    return suspension
  }

  /** Takes the display from a client because another one wants it. The hook is for those who ask for a suspension. */
  dropClient(): Promise<SessionState> {
    return this.#soon((signal) => this.#putToSleep(signal))
  }

  /** See `x_stop` in the contract. What is under way otherwise is given up. */
  stop(): Promise<SessionState> {
    this.#giveUp()
    this.#ending ??= this.#soon(async () => {
      if (this.look() === 'stopped') return this.state
      await this.#parts.hooks.action('stop', [], this.state)
      await this.#end()
      return this.state
    }).finally(() => (this.#ending = undefined))
    return this.#ending
  }

  /** Ends the session without asking a hook: the desktop halts. */
  halt(): Promise<void> {
    this.#giveUp()
    return this.#turnstile.pass(() => this.#end())
  }

  /** A browser sees the session from now on; call the result when it has gone. A browser counts as a client for hooks. */
  viewerCame(): () => void {
    const viewer = Symbol('viewer')
    this.#viewers.add(viewer)
    this.#announce()
    return () => {
      if (this.#viewers.delete(viewer)) this.#announce()
    }
  }

  /** Tells whoever watches that a hook has ended. */
  tellHook(hook: HookResult): void {
    this.news.set({ state: this.state, session: this.#number, hook })
  }

  /** Lets go of files and timers; the session lives on. */
  release(): void {
    this.#stopFollowing()
    clearInterval(this.#liveness)
    clearTimeout(this.#guard)
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }

  // --- one after the other ---

  /** Does something in its turn. `signal` aborts when it is given up. */
  #operate<T>(operation: (signal: AbortSignal) => Promise<T>, abort = new AbortController()): Promise<T> {
    this.#underWay.add(abort)
    return this.#turnstile
      .pass(async () => {
        abort.signal.throwIfAborted()
        return await operation(abort.signal)
      })
      .finally(() => this.#underWay.delete(abort))
  }

  /**
   * Does something if its turn comes soon: later, its caller would not wait any more, nor expect it.
   * @throws Fault `session.busy` when it does not.
   */
  async #soon<T>(operation: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const abort = new AbortController()
    const turn = Promise.withResolvers<undefined>()
    const result = this.#operate((signal) => {
      turn.resolve(undefined)
      return operation(signal)
    }, abort)
    result.catch(turn.reject)
    await withDeadline('the turn', TURN_MS, () => turn.promise).catch((error: unknown) => {
      if (!(error instanceof DeadlineExceeded)) throw error
      abort.abort(new Fault('session.busy', { state: `${this.state} with something under way` }))
      abort.signal.throwIfAborted()
    })
    return await result
  }

  /** Gives up every start and suspension: the session is to end. */
  #giveUp(): void {
    this.#openings.clear()
    this.#suspension = undefined
    for (const abort of this.#underWay) abort.abort(new Fault('session.busy', { state: 'stopping' }))
  }

  async #suspend(signal: AbortSignal): Promise<SessionState> {
    if (this.state === 'connected' || this.state === 'listening')
      await this.#parts.hooks.action('suspend', [], this.state, signal)
    return await this.#putToSleep(signal)
  }

  async #putToSleep(signal: AbortSignal): Promise<SessionState> {
    // A session that nobody has joined yet has nothing to suspend: a hang-up would end it.
    if (this.state === 'connected' || (this.state === 'listening' && this.#joined)) this.#hangUp()
    const isAwake = (state: SessionState): boolean =>
      state === 'connected' || state === 'suspending' || (state === 'listening' && this.#joined)
    await this.#reach('suspending', (state) => !isAwake(state), signal)
    return this.state
  }

  // --- opening ---

  async #open(request: SessionRequest, accept: () => void, signal: AbortSignal): Promise<Opened> {
    const began = performance.now()
    const since = (): number => Math.round(performance.now() - began)
    this.look()
    const hooks: HookResult[] = []
    const unsubscribe = this.news.subscribe(({ hook }) => {
      if (hook !== undefined) hooks.push(hook)
    })
    try {
      this.#refuseStrangers(request)
      await this.#settle(request.display, signal)
      this.#refuseStrangers(request)
      await this.#parts.hooks.action('pre-connect', request.pairs, this.state, signal)
      accept()
      let userReadyMs = since()
      const warnings: readonly string[] =
        this.#agent === undefined
          ? await this.#begin(request, signal, () => (userReadyMs = since()))
          : await this.#wake(request, this.#agent, signal)
      if (request.display === 'nx') await this.#listen(signal)
      else await this.#comeAlive(request, signal)
      return { state: this.state, userReadyMs, displayReadyMs: since(), warnings: [...warnings], hooks }
    } finally {
      unsubscribe()
    }
  }

  /** A session that does not end already is its user's alone. */
  #refuseStrangers(request: SessionRequest): void {
    const user = this.account?.name
    if (this.state !== 'stopping' && user !== undefined && user !== request.user.name)
      throw new Fault('session.busy', { state: `${this.state} for user ${user}` })
  }

  /** Waits until the session is in a state from which it can be opened. */
  async #settle(display: SessionRequest['display'], signal: AbortSignal): Promise<void> {
    if (display === 'nx' && this.state === 'connected') {
      this.#seed?.cut()
      // The caller has cut the client that was there: nxagent sees a broken link by itself, and suspends in
      // 0.7 s; a hang-up in that moment would only make it slower. A client nobody cut is hung up.
      const left = (state: SessionState): boolean => state !== 'connected'
      await withDeadline('the client to go', CUT_GRACE_MS, (late) => this.#state.until(left, late)).catch(
        () => this.#hangUp(),
      )
      await this.#reach('suspending', left, signal)
    }
    if (display === 'nx' && this.state === 'suspending')
      await this.#reach('suspending', (state) => state !== 'suspending', signal)
    if (this.state === 'stopping') await this.#reach('stopping', (state) => state === 'stopped', signal)
    if (this.state === 'starting')
      await this.#reach('initiating', (state) => state !== 'starting' && state !== 'provisioning', signal)
  }

  /** Begins a new session. */
  async #begin(
    request: SessionRequest,
    signal: AbortSignal,
    userReady: () => void,
  ): Promise<readonly string[]> {
    const { agents, hooks, prepare, provision } = this.#parts
    this.#number = this.#nextNumber()
    this.#pairs = request.pairs
    this.#announced = ''
    hooks.describeSession(request.pairs)
    this.#enter('starting')
    try {
      const made = await provision(request, () => this.#enter('provisioning'), signal)
      userReady()
      const warnings = [...made.warnings, ...prepare(request, made.account)]
      await hooks.action('connect', request.pairs, this.state, signal)
      signal.throwIfAborted()
      this.#enter('starting')
      const agent = await agents.launch(made.account, request)
      this.#agent = agent
      this.#arm() // before, there was nothing that could be overdue
      this.#remember()
      agent.onEnd(() => this.#ended(agent))
      this.#follow(agent)
      return warnings
    } catch (error) {
      this.#agent?.kill() // it was launched, and could not be followed
      this.#ended(this.#agent)
      // A file that cannot be written, mostly: its reader is who can do something about it.
      if (error instanceof Error && 'syscall' in error) throw this.#failure(error.message, error)
      throw error
    }
  }

  /** @throws Fault `session.failed` when it cannot be written down: nothing has begun then. */
  #nextNumber(): number {
    try {
      return this.#parts.numbers.next()
    } catch (error) {
      throw this.#failure(reasonOf(error), error)
    }
  }

  /** Opens a session that is there. */
  async #wake(
    request: SessionRequest,
    agent: XAgentProcess,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const warnings = this.#parts.prepare(request, agent.record.account)
    this.#pairs = request.pairs
    this.#parts.hooks.describeSession(request.pairs)
    this.#remember()
    const waking = request.display === 'nx' && this.state === 'suspended'
    if (waking) {
      agent.configure(request)
      this.#hangUp()
    }
    try {
      await this.#parts.hooks.action('connect', request.pairs, waking ? 'starting' : this.state, signal)
      signal.throwIfAborted()
      return warnings
    } catch (error) {
      await this.#sleepAgain(signal)
      throw error
    }
  }

  /** A woken session that nobody may join goes back to sleep: the user's work is in it. */
  async #sleepAgain(signal: AbortSignal): Promise<void> {
    if (!this.#joined) return
    await this.#reach('initiating', (state) => state !== 'starting', signal).catch(() => {})
    if (this.state === 'listening') this.#hangUp()
  }

  /** Waits until nxagent accepts the l7r, and gives it the socket. */
  async #listen(signal: AbortSignal): Promise<void> {
    await this.#reach('initiating', (state) => state === 'listening' || state === 'stopped', signal)
    if (this.state !== 'listening') throw this.#failure('nxagent ended before it listened')
    this.#agent?.handOver()
  }

  /** Brings a session to life for a browser: lends it a first connection if it never had one. */
  async #comeAlive(request: SessionRequest, signal: AbortSignal): Promise<void> {
    const come = (state: SessionState): boolean =>
      state === 'listening' || isSessionAlive(state) || state === 'stopped'
    await this.#reach('initiating', come, signal)
    if (this.state === 'listening' && !this.#joined) await this.#seedSession(request, signal)
    if (this.state === 'listening') {
      await this.#sleepAgain(signal)
      await this.#reach('suspending', isSessionAlive, signal)
    }
    if (!isSessionAlive(this.state)) throw this.#failure('nxagent ended before it had a screen')
  }

  async #seedSession(request: SessionRequest, signal: AbortSignal): Promise<void> {
    const agent = this.#agent
    if (agent === undefined) throw this.#failure('nxagent ended before it had a screen')
    const remember = (): void => {
      if (agent === this.#agent) this.#remember()
    }
    const seed = await agent.seed(request, remember).catch((cause: unknown) => {
      remember()
      throw this.#failure(`there is no screen to begin with: ${reasonOf(cause)}`, cause)
    })
    this.#seed = seed
    try {
      await this.#reach('initiating', (state) => isSessionAlive(state) || state === 'stopped', signal)
    } catch (error) {
      this.#removeSeed(seed)
      throw error
    }
    if (this.state === 'suspended' || this.state === 'stopped') return void this.#removeSeed(seed)
    // The browser sees the session meanwhile, and need not wait for the suspension; the lent screen goes when it has come.
    this.#after(SEED_MS, () => {
      if (this.#seed === seed) seed.cut()
    })
    this.#after(SEED_LIMIT_MS, () => {
      if (this.#seed !== seed) return
      this.#parts.log.warn('seed is still needed after its time')
      this.#removeSeed(seed)
    })
  }

  #removeSeed(seed: XSeed): void {
    seed.remove()
    if (this.#seed !== seed) return
    this.#seed = undefined
    this.#remember()
  }

  // --- following ---

  #follow(agent: XAgentProcess): void {
    this.#stopFollowing()
    this.#stopFollowing = agent.follow((line) => {
      if (agent !== this.#agent) return
      const event = readLogLine(line)
      if (event === undefined) return
      // Who opened the session last is the cause, not who began to read this log.
      causedBy(this.#cause, () => {
        if (event.state === 'stopped') this.#agentSaidGoodbye(agent)
        else this.#become(event.state)
      })
    })
  }

  /** Takes a state that the log tells, if it may follow: a program of the user's must not confuse us. */
  #become(state: SessionState): void {
    if (state === this.state) return
    if (mayFollow(this.state, state)) this.#enter(state)
    else this.#parts.log.warn('log tells what cannot be', { from: this.state, to: state })
  }

  /** nxagent says that it is done: xinit may take many seconds to find out, so it is told. */
  #agentSaidGoodbye(agent: XAgentProcess): void {
    this.#become('stopping')
    this.#after(XINIT_GRACE_MS, () => agent.terminate())
  }

  #enter(state: SessionState): void {
    if (state === this.state) return
    if (state === 'connected') this.#joined = true
    if (state === 'suspended' && this.#seed !== undefined) this.#removeSeed(this.#seed)
    this.#state.set(state)
    this.news.set({ state, session: this.#number })
    if (!this.#replaying) this.#announce()
    this.#arm()
  }

  /** Runs the hook of the state that users and scripts see, once per change. */
  #announce(): void {
    const seen = this.#viewers.size > 0 && isSessionAlive(this.state) ? 'connected' : this.state
    if (seen === this.#announced) return
    if (seen !== 'connected' && seen !== 'suspended' && seen !== 'stopped') return
    this.#announced = seen
    this.#remember()
    this.#parts.hooks.state(seen)
  }

  /** The session's processes are gone, or as good as: only then is it stopped. */
  #ended(agent: XAgentProcess | undefined): void {
    if (agent !== this.#agent) return
    this.release()
    this.#seed?.remove()
    this.#seed = undefined
    agent?.cleanUp()
    this.#agent = undefined
    this.#joined = false
    this.#viewers.clear()
    if (this.state === 'stopped') this.#announce()
    else this.#enter('stopped')
    this.#parts.records.forget()
  }

  #remember(): void {
    if (this.#agent === undefined) return
    const record: SessionRecord = {
      agent: this.#agent.record,
      session: this.#number,
      announced: this.#announced,
      pairs: this.#pairs,
    }
    try {
      this.#parts.records.write(record)
    } catch (error) {
      // The session goes on; an agent that starts after us would know less of it.
      this.#parts.log.error('the record of the session could not be written', { error })
    }
  }

  // --- deadlines ---

  /** A session may wait for its client as long as somebody opens it. */
  #armListening(): void {
    if (this.state === 'listening') this.#arm()
  }

  /** Sets the deadline of the present state. While somebody opens the session, that walk has deadlines of its own. */
  #arm(): void {
    clearTimeout(this.#guard)
    const ms = this.#deadlineMs()
    if (ms === undefined || this.#agent === undefined) return
    const [agent, state] = [this.#agent, this.state]
    this.#guard = setTimeout(() => this.#overdue(agent, state), ms)
    this.#guard.unref()
  }

  #deadlineMs(): number | undefined {
    const config = this.#parts.config()
    const seconds: Partial<Record<SessionState, number>> = {
      starting: config['internal.nxagent.timeout.initiating'],
      ...(this.#openings.size === 0 ? { listening: config['internal.nxagent.timeout.listening'] } : {}),
      suspending: config['internal.nxagent.timeout.suspending'],
      stopping: config['internal.nxagent.timeout.stopping'],
    }
    const limit = seconds[this.state]
    return limit === undefined ? undefined : limit * 1_000
  }

  /** A state lasted too long. A session that holds somebody's work is put to sleep; it is ended only when it answers to nothing. */
  #overdue(agent: XAgentProcess, state: SessionState): void {
    if (agent !== this.#agent || state !== this.state) return
    this.#parts.log.warn('session stays in a state', { state, joined: this.#joined })
    if (state === 'stopping') agent.kill()
    else if (!this.#joined) agent.terminate()
    else if (state === 'suspending') agent.poke()
    else this.#hangUp()
    // Whatever that leads to has its own deadline; where it leads to nothing, this is the last word.
    this.#guard = setTimeout(() => {
      if (agent !== this.#agent || state !== this.state) return
      this.#parts.log.error('session answers to nothing and is killed', { state })
      agent.kill()
    }, this.#parts.config()['internal.nxagent.timeout.stopping'] * 1_000)
    this.#guard.unref()
  }

  async #end(): Promise<void> {
    const agent = this.#agent
    if (agent === undefined) return
    agent.terminate()
    // In its first moments nxagent does not hear the signal, and one that was woken takes it for the end of its waiting and is
    // suspended. Unlike a hang-up, this signal may be repeated.
    const again = (): void => {
      if (agent === this.#agent && this.state !== 'stopping') agent.terminate()
    }
    this.#after(POKE_AFTER_MS, again)
    const unsubscribe = this.#state.subscribe((state) => {
      if (state === 'suspended') again()
    })
    try {
      await this.#reach('stopping', (state) => state === 'stopped')
    } catch {
      if (agent !== this.#agent) return // it ended in this very moment
      this.#parts.log.warn('session did not end by itself, killed')
      agent.kill()
      await this.#reach('stopping', (state) => state === 'stopped')
    } finally {
      unsubscribe()
    }
  }

  /** SIGHUP can stall: a poke at the X socket wakes it. A second signal would undo the first. */
  #hangUp(): void {
    const [agent, before] = [this.#agent, this.state]
    agent?.hangUp()
    this.#after(POKE_AFTER_MS, () => {
      if (this.state === before) agent?.poke()
    })
  }

  /** Acts later, unless this session has ended by then. */
  #after(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      act()
    }, ms)
    timer.unref()
    this.#timers.add(timer)
  }

  async #reach(
    what: 'initiating' | 'suspending' | 'stopping',
    wanted: (state: SessionState) => boolean,
    signal?: AbortSignal,
  ): Promise<void> {
    const ms = this.#parts.config()[`internal.nxagent.timeout.${what}`] * 1_000
    try {
      await withDeadline(`${what} the X session`, ms, (late) => this.#state.until(wanted, late), signal)
    } catch (error) {
      if (error instanceof DeadlineExceeded) throw this.#failure(error.message, error)
      throw error
    }
  }

  #failure(reason: string, cause?: unknown): Fault {
    return new Fault('session.failed', { reason }, { cause })
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function keyOf(request: SessionRequest): string {
  return JSON.stringify([request.display, request.pairs])
}
