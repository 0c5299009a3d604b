import type { HookResult, Output, SessionEvent } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { isAlive as isSessionAlive, mayFollow, type SessionState } from '@ostler/contract/session.ts'
import { DeadlineExceeded, withDeadline } from '@ostler/kit/deadline.ts'
import type { Log } from '@ostler/kit/log.ts'
import { Observable } from '@ostler/kit/observable.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { Turnstile } from '@ostler/kit/series.ts'
import type { AgentValues } from '../config/options.ts'
import type { ActionHook } from '../hooks/hook-table.ts'
import type { Pairs } from '../hooks/run-hook.ts'
import type { DesktopSession } from './desktop-session.ts'
import { readLogLine } from './nxagent-log.ts'
import type { SessionRequest } from './request.ts'
import type { SessionRecord, SessionRecords } from './session-records.ts'
import type { XAgentProcess, XAgents, XSeed } from './x-agent.ts'

export interface SessionParts {
  readonly config: () => AgentValues
  readonly agents: XAgents
  readonly records: SessionRecords
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
const LIVENESS_MS = 1_000
/** How long a seed keeps its connection after the session has started: cut in its first moments it hangs for seconds. */
const SEED_MS = 2_000
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
  /** The last start that was asked for. */
  #opening: (Opening & { key: string }) | undefined
  /** Gives up a start, for each that is under way or waits. */
  readonly #giveUps = new Set<AbortController>()
  #replaying = false
  #stopFollowing: () => void = () => {}
  #guard: NodeJS.Timeout | undefined
  #liveness: NodeJS.Timeout | undefined

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

  /** Finds a session that an earlier agent process left running, and goes on with it. */
  recover(): void {
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
    if (this.#opening?.key === key) return this.#opening
    const accepted = Promise.withResolvers<undefined>()
    const abort = new AbortController()
    const ready = this.#turnstile.pass(() =>
      this.#open(request, () => accepted.resolve(undefined), abort.signal),
    )
    const opening = { key, accepted: accepted.promise, ready }
    this.#opening = opening
    this.#giveUps.add(abort)
    ready
      .catch((error: unknown) => accepted.reject(error))
      .finally(() => {
        this.#giveUps.delete(abort)
        if (this.#opening === opening) this.#opening = undefined
        this.#arm()
      })
    accepted.promise.catch(() => {}) // whoever waits for `ready` hears it too
    return opening
  }

  /** True while exactly this is under way. */
  isOpening(request: SessionRequest): boolean {
    return this.#opening?.key === keyOf(request)
  }

  /** See `x_suspend` in the contract. */
  suspend(): Promise<SessionState> {
    return this.#turnstile.pass(async () => {
      if (this.state === 'connected' || this.state === 'listening')
        await this.#parts.hooks.action('suspend', [], this.state)
      return await this.#suspend()
    })
  }

  /** Takes the display from a client because another one wants it. The hook is for those who ask for a suspension. */
  dropClient(): Promise<SessionState> {
    return this.#turnstile.pass(() => this.#suspend())
  }

  /** See `x_stop` in the contract. Every start that is under way or waits is given up. */
  stop(): Promise<SessionState> {
    this.#giveUpStarts()
    return this.#turnstile.pass(async () => {
      if (this.look() === 'stopped') return this.state
      await this.#parts.hooks.action('stop', [], this.state)
      await this.#end()
      return this.state
    })
  }

  #giveUpStarts(): void {
    for (const giveUp of this.#giveUps) giveUp.abort(new Fault('session.busy', { state: 'stopping' }))
  }

  /** Ends the session without asking a hook: the desktop halts. */
  halt(): Promise<void> {
    this.#giveUpStarts()
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
  }

  // --- opening ---

  async #open(request: SessionRequest, accept: () => void, signal: AbortSignal): Promise<Opened> {
    const began = performance.now()
    const since = (): number => Math.round(performance.now() - began)
    signal.throwIfAborted()
    this.look()
    const hooks: HookResult[] = []
    const unsubscribe = this.news.subscribe(({ hook }) => {
      if (hook !== undefined) hooks.push(hook)
    })
    try {
      // Before anybody's display is taken, unless the session is about to end anyway.
      if (this.state !== 'stopping') this.#refuseOthers(request)
      await this.#settle(request.display)
      this.#refuseOthers(request)
      await this.#parts.hooks.action('pre-connect', request.pairs, this.state, signal)
      accept()
      let userReadyMs = since()
      const warnings: readonly string[] =
        this.#agent === undefined
          ? await this.#begin(request, signal, () => (userReadyMs = since()))
          : await this.#wake(request, this.#agent, signal)
      if (request.display === 'nx') await this.#listen()
      else await this.#comeAlive(request)
      return { state: this.state, userReadyMs, displayReadyMs: since(), warnings: [...warnings], hooks }
    } finally {
      unsubscribe()
    }
  }

  #refuseOthers(request: SessionRequest): void {
    const user = this.account?.name
    if (user !== undefined && user !== request.user.name)
      throw new Fault('session.busy', { state: `${this.state} for user ${user}` })
  }

  /** Waits until the session is in a state from which it can be opened. */
  async #settle(display: SessionRequest['display']): Promise<void> {
    if (display === 'nx' && this.state === 'connected') {
      this.#seed?.cut()
      // The caller has cut the client that was there: nxagent sees a broken link by itself, and suspends in
      // 0.7 s; a hang-up in that moment would only make it slower. A client nobody cut is hung up.
      const left = (state: SessionState): boolean => state !== 'connected'
      await withDeadline('the client to go', CUT_GRACE_MS, (signal) => this.#state.until(left, signal)).catch(
        () => this.#hangUp(),
      )
      await this.#reach('suspending', (state) => state !== 'connected')
    }
    if (display === 'nx' && this.state === 'suspending')
      await this.#reach('suspending', (state) => state !== 'suspending')
    if (this.state === 'stopping') await this.#reach('stopping', (state) => state === 'stopped')
    if (this.state === 'starting')
      await this.#reach('initiating', (state) => state !== 'starting' && state !== 'provisioning')
  }

  async #suspend(): Promise<SessionState> {
    // A session that nobody has joined yet has nothing to suspend: a hang-up would end it.
    if (this.state === 'connected' || (this.state === 'listening' && this.#joined)) this.#hangUp()
    if (this.state === 'connected' || this.state === 'suspending')
      await this.#reach('suspending', (state) => state !== 'connected' && state !== 'suspending')
    return this.state
  }

  /** Begins a new session. */
  async #begin(
    request: SessionRequest,
    signal: AbortSignal,
    userReady: () => void,
  ): Promise<readonly string[]> {
    const { agents, hooks, prepare, provision } = this.#parts
    this.#number += 1
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
      await this.#sleepAgain()
      throw error
    }
  }

  /** A woken session that nobody may join goes back to sleep: the user's work is in it. */
  async #sleepAgain(): Promise<void> {
    if (!this.#joined) return
    await this.#reach('initiating', (state) => state !== 'starting').catch(() => {})
    if (this.state === 'listening') this.#hangUp()
  }

  /** Waits until nxagent accepts the l7r, and gives it the socket. */
  async #listen(): Promise<void> {
    await this.#reach('initiating', (state) => state === 'listening' || state === 'stopped')
    if (this.state !== 'listening') throw this.#failure('nxagent ended before it listened')
    this.#agent?.handOver()
  }

  /** Brings a session to life for a browser: lends it a first connection if it never had one. */
  async #comeAlive(request: SessionRequest): Promise<void> {
    const come = (state: SessionState): boolean =>
      state === 'listening' || isSessionAlive(state) || state === 'stopped'
    await this.#reach('initiating', come)
    if (this.state === 'listening' && !this.#joined) await this.#seedSession(request)
    if (this.state === 'listening')
      await this.#sleepAgain().then(() => this.#reach('suspending', isSessionAlive))
    if (!isSessionAlive(this.state)) throw this.#failure('nxagent ended before it had a screen')
  }

  async #seedSession(request: SessionRequest): Promise<void> {
    const agent = this.#agent
    if (agent === undefined) throw this.#failure('nxagent ended before it had a screen')
    const seed = await agent.seed(request).catch((error: unknown) => {
      throw error instanceof Fault ? error : this.#failure(String(error), error)
    })
    this.#seed = seed
    this.#remember()
    const gone = (state: SessionState): boolean => state === 'suspended' || state === 'stopped'
    try {
      await this.#reach('initiating', (state) => isSessionAlive(state) || state === 'stopped')
    } catch (error) {
      this.#removeSeed(seed)
      throw error
    }
    // The browser sees the session meanwhile, and need not wait for the suspension; the lent screen goes when it has come.
    setTimeout(() => seed.cut(), SEED_MS).unref()
    void withDeadline('the seeded session to suspend', 60_000, (signal) => this.#state.until(gone, signal))
      .catch((error: unknown) => this.#parts.log.warn('seed is still needed after its time', { error }))
      .finally(() => this.#removeSeed(seed))
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
      if (event.state === 'stopped') this.#agentSaidGoodbye(agent)
      else this.#become(event.state)
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
    setTimeout(() => {
      if (agent === this.#agent) agent.terminate()
    }, XINIT_GRACE_MS).unref()
  }

  #enter(state: SessionState): void {
    if (state === this.state) return
    if (state === 'connected') this.#joined = true
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
      ...(this.#opening === undefined ? { listening: config['internal.nxagent.timeout.listening'] } : {}),
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
    if (state === 'listening' && this.#joined) this.#hangUp()
    else if (state === 'stopping') agent.kill()
    else agent.terminate()
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
    const later = setTimeout(again, POKE_AFTER_MS)
    const unsubscribe = this.#state.subscribe((state) => {
      if (state === 'suspended') again()
    })
    try {
      await this.#reach('stopping', (state) => state === 'stopped')
    } catch {
      this.#parts.log.warn('session did not end by itself, killed')
      agent.kill()
      await this.#reach('stopping', (state) => state === 'stopped')
    } finally {
      clearTimeout(later)
      unsubscribe()
    }
  }

  /** SIGHUP can stall: a poke at the X socket wakes it. A second signal would undo the first. */
  #hangUp(): void {
    const [agent, before] = [this.#agent, this.state]
    agent?.hangUp()
    setTimeout(() => {
      if (agent === this.#agent && this.state === before) agent?.poke()
    }, POKE_AFTER_MS).unref()
  }

  async #reach(what: 'initiating' | 'suspending' | 'stopping', wanted: (state: SessionState) => boolean) {
    const ms = this.#parts.config()[`internal.nxagent.timeout.${what}`] * 1_000
    try {
      await withDeadline(`${what} the X session`, ms, (signal) => this.#state.until(wanted, signal))
    } catch (error) {
      if (error instanceof DeadlineExceeded) throw this.#failure(error.message, error)
      throw error
    }
  }

  #failure(reason: string, cause?: unknown): Fault {
    return new Fault('session.failed', { reason }, { cause })
  }
}

function keyOf(request: SessionRequest): string {
  return JSON.stringify([request.display, request.pairs])
}
