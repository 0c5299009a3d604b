import type { Input, Output } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { isAlive as isSessionAlive, mayFollow, type SessionState } from '@ostler/contract/session.ts'
import { DeadlineExceeded, withDeadline } from '@ostler/kit/deadline.ts'
import { followLines } from '@ostler/kit/follow-lines.ts'
import type { Log } from '@ostler/kit/log.ts'
import { Observable } from '@ostler/kit/observable.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { identify, isAlive, signalProcess } from '@ostler/kit/process-table.ts'
import { Turnstile } from '@ostler/kit/series.ts'
import type { RunResult } from '@ostler/kit/run.ts'
import { rmSync } from 'node:fs'
import { connect } from 'node:net'
import { giveSocket } from './give-socket.ts'
import { sessionEnvironment } from '../platform/linux/as-user.ts'
import { ensureAccount, ensureRuntimeFolder } from '../user/account.ts'
import { readLogLine } from './nxagent-log.ts'
import { launch, type LaunchParts, writeOptions } from './launch.ts'
import { plantSeed, type Seed } from './seed.ts'
import type { SessionRecord } from './session-files.ts'

export interface SessionParts extends LaunchParts {
  readonly log: Log
  readonly run: (command: string, args: readonly string[]) => Promise<RunResult>
  /** The node user who alone may connect to nxagent's socket. */
  readonly displayOwner: () => number
}

type Start = Input<'x_start'>

/** A signal that nxagent did not heed within this time is followed by a poke at its X socket, never by a second signal. */
const POKE_AFTER_MS = 1_500
/** How long a client that was cut may be seen as connected before we suspend it ourselves. */
const CUT_GRACE_MS = 1_000
const LIVENESS_MS = 5_000
/** How long a seed keeps its connection after the session has started. */
const SEED_MS = 2_000
/** xinit normally sees the end of nxagent by itself. */
const XINIT_GRACE_MS = 300

/**
 * The one X session of this desktop: xinit, nxagent and the user's programs, none of which depends on the
 * agent's own life. The state is read from nxagent's log and from the process table, never remembered.
 */
export class XSession {
  readonly state = new Observable<SessionState>('stopped')
  readonly #parts: SessionParts
  readonly #turnstile = new Turnstile()
  #record: SessionRecord | undefined
  #nxagentPid = 0
  #seed: Seed | undefined
  #stopFollowing: () => void = () => {}
  #liveness: NodeJS.Timeout | undefined

  constructor(parts: SessionParts) {
    this.#parts = parts
  }

  /** Finds a session that an earlier agent process left running. */
  recover(): void {
    const record = this.#parts.files.read()
    if (record === undefined) return
    if (!isAlive(record.root)) {
      this.#parts.files.forget()
      return
    }
    this.#record = record
    this.#follow()
    for (const process of record.seed) signalProcess(process, 'SIGTERM')
    this.#liveness = setInterval(() => {
      if (!isAlive(record.root)) this.#ended()
    }, LIVENESS_MS)
    this.#parts.log.info('session found again', { state: this.state.value, user: record.account.name })
  }

  /** The account of the running session. */
  get account(): Account | undefined {
    return this.#record?.account
  }

  /** See `x_start` in the contract. */
  start(input: Start): Promise<Output<'x_start'>> {
    const began = performance.now()
    return this.#turnstile.pass(async () => {
      await this.#settle(input.display)
      const user = this.#record?.account.name
      if (user !== undefined && user !== input.user.name)
        throw new Fault('session.busy', { state: `${this.state.value} for user ${user}` })
      const fresh = this.state.value === 'stopped'
      const account = fresh ? await this.#provision(input) : this.#record?.account
      const userReadyMs = Math.round(performance.now() - began)
      if (account === undefined) throw new Fault('session.busy', { state: this.state.value })
      if (fresh) this.#spawn(account, input)
      if (input.display === 'nx') await this.#listen(account, input, fresh)
      else await this.#comeAlive(account, input)
      return {
        state: this.state.value,
        userReadyMs,
        displayReadyMs: Math.round(performance.now() - began),
        warnings: [],
      }
    })
  }

  /** See `x_suspend` in the contract. */
  suspend(): Promise<SessionState> {
    return this.#turnstile.pass(async () => {
      if (this.state.value === 'connected') this.#hangUp()
      if (this.state.value === 'connected' || this.state.value === 'suspending')
        await this.#reach('suspending', (state) => state !== 'connected' && state !== 'suspending')
      return this.state.value
    })
  }

  /** See `x_stop` in the contract. */
  stop(): Promise<SessionState> {
    return this.#turnstile.pass(async () => {
      const record = this.#record
      if (record === undefined) return this.state.value
      if (!this.#signalNxagent('SIGTERM')) signalProcess(record.root, 'SIGTERM')
      try {
        await this.#reach('stopping', (state) => state === 'stopped')
      } catch {
        this.#parts.log.warn('session did not end by itself, killed')
        this.#signalNxagent('SIGKILL')
        signalProcess(record.root, 'SIGKILL')
        await this.#reach('stopping', (state) => state === 'stopped')
      }
      return this.state.value
    })
  }

  /** Lets go of files and timers; the session lives on. */
  release(): void {
    this.#stopFollowing()
    clearInterval(this.#liveness)
  }

  /** Waits until the session is in a state from which it can be opened. */
  async #settle(display: Start['display']): Promise<void> {
    if (display === 'nx' && this.state.value === 'connected') {
      this.#seed?.cut()
      // The caller has cut the client that was there: nxagent sees a broken link by itself, and suspends in
      // 0.7 s; a hang-up in that moment would only make it slower. A client nobody cut is hung up.
      const left = (state: SessionState): boolean => state !== 'connected'
      await this.state.until(left, AbortSignal.timeout(CUT_GRACE_MS)).catch(() => this.#hangUp())
      await this.#reach('suspending', (state) => state !== 'connected')
    }
    if (display === 'nx' && this.state.value === 'suspending')
      await this.#reach('suspending', (state) => state !== 'suspending')
    if (this.state.value === 'stopping') await this.#reach('stopping', (state) => state === 'stopped')
    if (this.state.value === 'starting' || this.state.value === 'provisioning')
      await this.#reach('initiating', (state) => state !== 'starting' && state !== 'provisioning')
  }

  async #provision(input: Start): Promise<Account> {
    const { config, run } = this.#parts
    this.state.set('provisioning')
    try {
      const account = await ensureAccount(
        input.user.name,
        {
          useradd: config['command.useradd'],
          homes: config['vma.user.home.path'],
          shell: config['vma.user.shell'],
        },
        run,
      )
      ensureRuntimeFolder(account)
      return account
    } catch (error) {
      this.state.set('stopped')
      throw error
    }
  }

  /** Starts the processes of a new session, and follows what becomes of them. */
  #spawn(account: Account, input: Start): void {
    const { files, log } = this.#parts
    this.state.set('starting')
    try {
      const { root, child } = launch(this.#parts, account, input)
      this.#record = { account, root, seed: [] }
      files.write(this.#record)
      child.once('exit', (code, signal) => {
        log.info('session program ended', { code, signal })
        if (this.#record?.root === root) this.#ended()
      })
      this.#follow()
    } catch (error) {
      this.#ended()
      throw error
    }
  }

  /** Brings an NX session to the point where its socket accepts the l7r. */
  async #listen(account: Account, input: Start, fresh: boolean): Promise<void> {
    if (!fresh && this.state.value === 'suspended') {
      writeOptions(this.#parts, account, input)
      this.#hangUp()
    }
    await this.#reach('initiating', (state) => state === 'listening' || state === 'stopped')
    if (this.state.value !== 'listening') throw this.#failure('nxagent ended before it listened')
    this.#handOver(account)
  }

  /** Gives nxagent's socket to the node user who alone may open it. */
  #handOver(account: Account): void {
    const { nxSocket, displayOwner } = this.#parts
    giveSocket(nxSocket, [account.uid, displayOwner()], { uid: displayOwner(), gid: 0 })
  }

  /** Brings a session to life for a browser: lends it a first connection if it never had one. */
  async #comeAlive(account: Account, input: Start): Promise<void> {
    await this.#reach(
      'initiating',
      (state) => state === 'listening' || isSessionAlive(state) || state === 'stopped',
    )
    if (this.state.value === 'listening') await this.#seedSession(account, input)
    if (!isSessionAlive(this.state.value)) throw this.#failure('nxagent ended before it had a screen')
  }

  async #seedSession(account: Account, input: Start): Promise<void> {
    const { config, files, asUser, nxSocket, displayOwner, log } = this.#parts
    giveSocket(nxSocket, [account.uid, displayOwner()], account)
    const seed = await plantSeed(account, asUser, {
      xvfb: config['command.xvfb'],
      nxproxy: config['command.nxproxy'],
      display: config['internal.nxagent.display'] + 1,
      authority: files.authority,
      socket: nxSocket,
      geometry: input.client.geometry,
      environment: sessionEnvironment(account, config['vma.default.lang']),
    })
    this.#seed = seed
    if (this.#record !== undefined) {
      this.#record = { ...this.#record, seed: seed.processes }
      files.write(this.#record)
    }
    try {
      await this.#reach('initiating', (state) => isSessionAlive(state) || state === 'stopped')
    } catch (error) {
      seed.remove()
      throw error
    }
    // Cut in its first moments the session hangs for seconds; later it suspends at once. The browser sees it meanwhile.
    setTimeout(() => seed.cut(), SEED_MS).unref()
    // The browser need not wait for the suspension; the screen goes when it has come.
    void this.state
      .until((state) => state === 'suspended' || state === 'stopped', AbortSignal.timeout(60_000))
      .catch(() => log.warn('seeded session did not suspend'))
      .finally(() => this.#removeSeed())
  }

  #removeSeed(): void {
    this.#seed?.remove()
    this.#seed = undefined
    if (this.#record === undefined) return
    this.#record = { ...this.#record, seed: [] }
    this.#parts.files.write(this.#record)
  }

  #follow(): void {
    this.#stopFollowing()
    this.#stopFollowing = followLines(this.#parts.files.log, (line) => {
      const event = readLogLine(line)
      if (event?.kind === 'pid') this.#nxagentPid = event.pid
      else if (event?.state === 'stopped') this.#nxagentEnded()
      else if (event !== undefined) this.#become(event.state)
    })
  }

  /** Takes a state that the log tells, if it may follow: a user's program can write there too. */
  #become(state: SessionState): void {
    if (mayFollow(this.state.value, state)) this.state.set(state)
    else if (this.state.value !== state)
      this.#parts.log.warn('log tells what cannot be', { from: this.state.value, to: state })
  }

  /** nxagent says that it is done: xinit may take many seconds to find out, so it is told. */
  #nxagentEnded(): void {
    this.state.set('stopping')
    const root = this.#record?.root
    if (root !== undefined) setTimeout(() => signalProcess(root, 'SIGTERM'), XINIT_GRACE_MS).unref()
  }

  /** The session's processes are gone, or as good as: only then is it stopped. */
  #ended(): void {
    const { files, nxSocket } = this.#parts
    this.release()
    this.#seed?.remove()
    this.#seed = undefined
    this.#record = undefined
    this.#nxagentPid = 0
    files.forget()
    rmSync(nxSocket, { force: true })
    this.state.set('stopped')
  }

  /** SIGHUP suspends a connected and wakes a suspended nxagent. It can stall: a poke at the X socket wakes it. */
  #hangUp(): void {
    const before = this.state.value
    this.#signalNxagent('SIGHUP')
    setTimeout(() => {
      if (this.state.value === before) this.#poke()
    }, POKE_AFTER_MS).unref()
  }

  #poke(): void {
    const socket = connect(`/tmp/.X11-unix/X${this.#parts.config['internal.nxagent.display']}`)
    socket.once('connect', () => socket.destroy())
    socket.once('error', () => socket.destroy())
  }

  #signalNxagent(signal: NodeJS.Signals): boolean {
    const process_ = this.#nxagentPid === 0 ? undefined : identify(this.#nxagentPid)
    // The number comes from a log that the user's programs can write to: only a process of hers is signalled.
    if (process_ === undefined || process_.uid !== this.#record?.account.uid) return false
    return signalProcess(process_, signal)
  }

  async #reach(what: 'initiating' | 'suspending' | 'stopping', wanted: (state: SessionState) => boolean) {
    const ms = this.#parts.config[`internal.nxagent.timeout.${what}`] * 1_000
    try {
      await withDeadline(`${what} the X session`, ms, (signal) => this.state.until(wanted, signal))
    } catch (error) {
      if (error instanceof DeadlineExceeded) throw this.#failure(error.message, error)
      throw error
    }
  }

  #failure(reason: string, cause?: unknown): Fault {
    return new Fault('session.failed', { reason }, { cause })
  }
}
