import type { HookResult, SessionEvent } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { mayFollow, type SessionState } from '@ostler/contract/session.ts'
import { withDeadline } from '@ostler/kit/deadline.ts'
import type { Log } from '@ostler/kit/log.ts'
import { Observable } from '@ostler/kit/observable.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { RunError } from '@ostler/kit/run.ts'
import { Turnstile } from '@ostler/kit/series.ts'
import type { AgentValues } from '../../config/options.ts'
import type { DesktopSession } from '../../desktop/desktop-session.ts'
import type { SessionRequest } from '../../desktop/request.ts'
import type { SessionRecords } from '../../desktop/session-records.ts'
import type { Opened, Opening, SessionHooks, SessionParts } from '../../desktop/session.ts'
import type { Pairs } from '../../hooks/run-hook.ts'
import { oneLine } from '../../user/home-folder.ts'
import { querySessions, type SignedIn } from './query-session.ts'
import { notHere } from './rdp-stream.ts'
import type { WindowsTools } from './tools.ts'

export interface WindowsSessionParts {
  readonly config: () => AgentValues
  readonly tools: WindowsTools
  readonly records: SessionRecords<{ readonly account: Account }>
  readonly log: Log
  readonly hooks: SessionHooks
  readonly provision: SessionParts['provision']
  readonly prepare: SessionParts['prepare']
  /** Whether the service that lets users in by RDP accepts a connection now; answers within seconds. */
  readonly acceptsRdp: () => Promise<boolean>
}

/** How often the list of sessions is read, while there is one or one is expected. */
const POLL_MS = 5_000
/** One reading; less than a caller of `x_state` waits. */
const QUERY_MS = 3_000
/** The service may still be starting when the desktop has just booted. */
const PORT_MS = 1_000
/** So long a client that was told to come may take to sign in. The first time, Windows makes the profile meanwhile. */
const SIGN_IN_MS = 120_000

/**
 * The session of this Windows desktop: that of the one user for whom it was started, at the console or by RDP.
 *
 * Windows makes it when she signs in, so between `start` and that there is none, and the state is `listening`. The state is read
 * from the list of sessions, never remembered, and is as old as the last reading: at most 5 s. A state is entered when it is
 * seen, not when it was asked for. Hooks run as in an X session.
 */
export class WindowsSession implements DesktopSession {
  readonly news: Observable<SessionEvent>
  readonly #parts: WindowsSessionParts
  readonly #turnstile = new Turnstile()
  readonly #readings = new Turnstile()
  readonly #state = new Observable<SessionState>('stopped')
  #reading: Promise<SignedIn | undefined> | undefined
  /** Whose session it is. Set as long as the list is watched for her. */
  #account: Account | undefined
  #number = 0
  #pairs: Pairs = []
  /** True when she has signed in: then there is work in it, and only the user or an administrator ends it. */
  #joined = false
  #announced = ''
  #opening: (Opening & { key: string; abort: AbortController }) | undefined
  #released = false
  #poll: NodeJS.Timeout | undefined
  #guard: NodeJS.Timeout | undefined
  #complaint = ''

  constructor(parts: WindowsSessionParts) {
    this.#parts = parts
    this.news = new Observable<SessionEvent>({ state: 'stopped', session: 0 })
  }

  get state(): SessionState {
    return this.#state.value
  }

  get account(): Account | undefined {
    return this.#account
  }

  /** Until the list has been read, the state is the one that was left; whatever is asked for waits for that. */
  recover(): void {
    const record = this.#parts.records.read()
    if (record === undefined) return
    const { announced } = record
    this.#number = record.session
    this.#announced = announced
    this.#pairs = record.pairs
    this.#account = record.agent.account
    this.#parts.hooks.describeSession(record.pairs)
    this.#enter('starting')
    if (announced === 'connected' || announced === 'suspended') {
      this.#joined = true
      this.#enter(announced)
    } else this.#await()
    void this.#turnstile.pass(async () => {
      await this.#look()
      this.#parts.log.info('session looked for again', { state: this.state, user: record.agent.account.name })
    })
  }

  async look(): Promise<SessionState> {
    if (this.#account === undefined) return this.state
    await withDeadline('the list of sessions', QUERY_MS, () => this.#look()).catch(() => {})
    return this.state
  }

  start(request: SessionRequest): Opening {
    const key = JSON.stringify([request.display, request.pairs])
    if (this.#opening?.key === key) return this.#opening
    const accepted = Promise.withResolvers<undefined>()
    const abort = new AbortController()
    const ready = this.#turnstile.pass(() =>
      this.#open(request, () => accepted.resolve(undefined), abort.signal),
    )
    const opening = { key, accepted: accepted.promise, ready, abort }
    this.#opening = opening
    ready
      .catch((error: unknown) => accepted.reject(error))
      .finally(() => {
        if (this.#opening === opening) this.#opening = undefined
      })
    accepted.promise.catch(() => {}) // whoever waits for `ready` hears it too
    return opening
  }

  suspend(): Promise<SessionState> {
    return this.#turnstile.pass(async () => {
      await this.#see()
      if (this.state === 'connected' || this.state === 'listening') {
        await this.#parts.hooks.action('suspend', [], this.state)
        // A session that nobody has joined yet has nothing to suspend.
        if (this.#joined) {
          await this.#disconnect()
          this.#sleep()
        }
      }
      return this.state
    })
  }

  stop(): Promise<SessionState> {
    this.#opening?.abort.abort(new Fault('session.busy', { state: 'stopping' }))
    return this.#turnstile.pass(async () => {
      await this.#see()
      if (this.state === 'stopped') return this.state
      await this.#parts.hooks.action('stop', [], this.state)
      await this.#end()
      return this.state
    })
  }

  halt(): Promise<void> {
    this.#opening?.abort.abort(new Fault('session.busy', { state: 'stopping' }))
    return this.#turnstile.pass(() => this.#end())
  }

  tellHook(hook: HookResult): void {
    this.news.set({ state: this.state, session: this.#number, hook })
  }

  release(): void {
    this.#released = true
    clearTimeout(this.#poll)
    clearTimeout(this.#guard)
  }

  // --- opening ---

  async #open(request: SessionRequest, accept: () => void, signal: AbortSignal): Promise<Opened> {
    const began = performance.now()
    const since = (): number => Math.round(performance.now() - began)
    signal.throwIfAborted()
    if (request.display !== 'rdp') throw notHere(request.display)
    const hooks: HookResult[] = []
    const unsubscribe = this.news.subscribe(({ hook }) => {
      if (hook !== undefined) hooks.push(hook)
    })
    try {
      await this.#see()
      const user = this.account?.name
      if (user !== undefined && !isSame(user, request.user.name))
        throw new Fault('session.busy', { state: `${this.state} for user ${user}` })
      if (this.state === 'stopping') await this.#reach('stopping', undefined, isGone)
      // The caller has cut the client that was there; Windows may not have noticed.
      if (this.state === 'connected') await this.#disconnect()
      await this.#parts.hooks.action('pre-connect', request.pairs, this.state, signal)
      accept()
      let userReadyMs = since()
      const warnings =
        this.#account === undefined
          ? await this.#begin(request, signal, () => (userReadyMs = since()))
          : await this.#wake(request, this.#account, signal)
      return { state: this.state, userReadyMs, displayReadyMs: since(), warnings: [...warnings], hooks }
    } finally {
      unsubscribe()
    }
  }

  /** Begins a session for somebody; or takes over hers, if she has signed in without us. */
  async #begin(
    request: SessionRequest,
    signal: AbortSignal,
    userReady: () => void,
  ): Promise<readonly string[]> {
    const { hooks, prepare, provision } = this.#parts
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
      this.#account = made.account
      this.#remember()
      if ((await this.#see()) !== undefined) {
        this.#joined = true
        await this.#disconnect()
      }
      await this.#listen(signal)
      return warnings
    } catch (error) {
      if (this.#joined) this.#enter('suspended')
      else this.#ended()
      throw error
    }
  }

  /** Opens a session that is there. */
  async #wake(request: SessionRequest, account: Account, signal: AbortSignal): Promise<readonly string[]> {
    const warnings = this.#parts.prepare(request, account)
    this.#pairs = request.pairs
    this.#parts.hooks.describeSession(request.pairs)
    this.#remember()
    await this.#parts.hooks.action('connect', request.pairs, this.state, signal)
    signal.throwIfAborted()
    await this.#listen(signal)
    return warnings
  }

  /** Waits until clients are let in, and then some time for one to come. */
  async #listen(signal: AbortSignal): Promise<void> {
    const end = performance.now() + this.#limitMs('initiating')
    while (!(await this.#parts.acceptsRdp())) {
      signal.throwIfAborted()
      if (performance.now() > end) throw this.#failure('Remote Desktop does not accept connections')
      await pause(PORT_MS)
    }
    signal.throwIfAborted()
    if (this.#account === undefined) throw this.#failure('the session ended before it could be joined')
    if (this.state !== 'connected') this.#await() // else she was quicker
  }

  #await(): void {
    this.#enter('listening')
    clearTimeout(this.#guard)
    const guard = setTimeout(() => void this.#turnstile.pass(() => this.#overdue(guard)), SIGN_IN_MS)
    this.#guard = guard
    guard.unref()
  }

  /** Nobody has come. */
  async #overdue(guard: NodeJS.Timeout): Promise<void> {
    await this.#look()
    // Another start may have begun to wait anew.
    if (this.state !== 'listening' || guard !== this.#guard || this.#released) return
    this.#parts.log.info('nobody has signed in', { user: this.#account?.name })
    this.#sleep()
    if (!this.#joined) this.#ended()
  }

  /** No client is awaited any more: a session that is there goes on without. */
  #sleep(): void {
    if (this.state === 'listening' && this.#joined) this.#enter('suspended')
  }

  // --- ending ---

  /**
   * Takes her session from the client that sees it, and waits until it is so.
   * @throws Fault `session.failed`
   */
  async #disconnect(): Promise<void> {
    const session = await this.#see()
    if (session?.connected !== true) return
    const failure = await this.#tell('tsdiscon', session)
    await this.#reach('suspending', failure, (now) => now?.connected !== true)
  }

  async #end(): Promise<void> {
    const session = await this.#see()
    if (session !== undefined) {
      const failure = await this.#tell('logoff', session)
      const timedOut = failure instanceof RunError && failure.timedOut
      if (failure === undefined || timedOut) this.#become('stopping')
      try {
        await this.#reach('stopping', timedOut ? undefined : failure, isGone)
      } catch (error) {
        if (failure !== undefined && !timedOut) throw error
        this.#parts.log.warn('session did not end by itself, reset', { id: session.id })
        await this.#reach('stopping', await this.#tell('rwinsta', session), isGone)
      }
    }
    this.#ended()
  }

  /** Runs a program for a session that was just seen. Whether it worked is seen from the list, so a failure is only returned. */
  async #tell(program: 'tsdiscon' | 'logoff' | 'rwinsta', session: SignedIn): Promise<unknown> {
    const timeoutMs = this.#limitMs(program === 'tsdiscon' ? 'suspending' : 'stopping')
    return this.#parts.tools.run(program, [String(session.id)], { timeoutMs }).then(
      () => undefined,
      (error: unknown) => error,
    )
  }

  /**
   * Reads the list until `wanted` holds: once when the program for it has failed, else until the limit of the step.
   * @throws Fault `session.failed`
   */
  async #reach(
    what: 'suspending' | 'stopping',
    failure: unknown,
    wanted: (now: SignedIn | undefined) => boolean,
  ): Promise<void> {
    const ms = this.#limitMs(what)
    const end = performance.now() + ms
    while (!wanted(await this.#see())) {
      if (failure !== undefined) throw this.#failure(oneLine(failure), failure)
      if (performance.now() > end) throw this.#failure(`${what} the session took longer than ${ms} ms`)
      await pause(POLL_MS)
    }
  }

  // --- seeing ---

  /** Reads the list; a failure is logged once, and the state stays as it was. */
  async #look(): Promise<void> {
    try {
      await this.#see()
      this.#complaint = ''
    } catch (error) {
      const complaint = oneLine(error)
      if (complaint !== this.#complaint) this.#parts.log.warn('state of the session is not known', { error })
      this.#complaint = complaint
    }
    this.#watch()
  }

  /**
   * Reads the list, after this call; calls that come before it is begun share it.
   * @returns her session, or `undefined`.
   * @throws Fault `session.failed` when the list cannot be had.
   */
  #see(): Promise<SignedIn | undefined> {
    this.#reading ??= this.#readings.pass(async () => {
      this.#reading = undefined
      const account = this.#account
      if (account === undefined) return undefined
      const sessions = await querySessions(this.#parts.tools, QUERY_MS).catch((error: unknown) => {
        throw this.#failure(`the sessions of Windows cannot be read: ${oneLine(error)}`, error)
      })
      if (account !== this.#account) return undefined
      const hers = sessions.filter(({ user }) => isSame(user, account.name))
      const session = hers.find(({ connected }) => connected) ?? hers[0]
      this.#apply(session)
      return session
    })
    return this.#reading
  }

  /** Takes over what the list shows. */
  #apply(session: SignedIn | undefined): void {
    if (this.state === 'listening') this.#joined = session !== undefined
    else if (isOpen(this.state) && session === undefined) this.#ended()
    if (session?.connected === true) this.#become('connected')
    else if (session !== undefined && this.state === 'connected') this.#become('suspended')
  }

  /** Enters a state, by the way that the table of states knows. While she is being let in, only she can be ahead of us. */
  #become(state: SessionState): void {
    if (this.state === 'starting' || this.state === 'provisioning' || this.state === state) return
    if (this.state === 'connected' && state === 'suspended') this.#enter('suspending')
    if (this.state === 'suspended' && state === 'connected') this.#enter('listening')
    if (mayFollow(this.state, state)) this.#enter(state)
  }

  #enter(state: SessionState): void {
    if (state === this.state) return
    if (state === 'connected') {
      this.#joined = true
      clearTimeout(this.#guard)
    }
    this.#state.set(state)
    this.news.set({ state, session: this.#number })
    this.#announce()
    this.#watch()
  }

  /** Runs the hook of the state that users and scripts see, once per change. */
  #announce(): void {
    const { state } = this
    if (state === this.#announced) return
    if (state !== 'connected' && state !== 'suspended' && state !== 'stopped') return
    this.#announced = state
    this.#remember()
    this.#parts.hooks.state(state)
  }

  /** There is no session, and none is awaited. */
  #ended(): void {
    clearTimeout(this.#guard)
    this.#account = undefined
    this.#joined = false
    if (this.state === 'stopped') this.#announce()
    else this.#enter('stopped')
    this.#parts.records.forget()
  }

  #remember(): void {
    if (this.#account === undefined) return
    this.#parts.records.write({
      agent: { account: this.#account },
      session: this.#number,
      announced: this.#announced,
      pairs: this.#pairs,
    })
  }

  /** Reads the list again in a while, as long as there is somebody to look for. */
  #watch(): void {
    clearTimeout(this.#poll)
    if (this.#released || this.#account === undefined) return
    this.#poll = setTimeout(() => void this.#look(), POLL_MS)
    this.#poll.unref()
  }

  #limitMs(what: 'initiating' | 'suspending' | 'stopping'): number {
    return this.#parts.config()[`internal.nxagent.timeout.${what}`] * 1_000
  }

  #failure(reason: string, cause?: unknown): Fault {
    return new Fault('session.failed', { reason }, { cause })
  }
}

/** There is a session of hers. */
function isOpen(state: SessionState): boolean {
  return state === 'connected' || state === 'suspending' || state === 'suspended' || state === 'stopping'
}

function isGone(session: SignedIn | undefined): boolean {
  return session === undefined
}

/** Names of Windows accounts differ by more than case. */
function isSame(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase()
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
