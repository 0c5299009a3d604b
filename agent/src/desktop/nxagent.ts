import { followLines } from '@ostler/kit/follow-lines.ts'
import {
  identify,
  isAlive,
  killGroup,
  membersOfSession,
  type ProcessIdentity,
  signalProcess,
} from '@ostler/kit/process-table.ts'
import type { ChildProcess } from 'node:child_process'
import { connect } from 'node:net'
import { Fault } from '@ostler/contract/fault.ts'
import type { AgentValues } from '../config/options.ts'
import type { AsUser } from '../platform/linux/as-user.ts'
import { sessionEnvironment } from './environment.ts'
import { freeName } from './free-name.ts'
import { giveSocket } from './give-socket.ts'
import { launch, type NxPlaces, nxPlaces, writeOptions } from './launch.ts'
import { readPidLine } from './nxagent-log.ts'
import type { SessionRequest } from './request.ts'
import { plantSeed } from './seed.ts'
import { watchLastWindow } from './last-window.ts'
import type { XAgentProcess, XAgentRecord, XAgents, XSeed } from './x-agent.ts'

export interface NxAgentParts {
  readonly config: () => AgentValues
  readonly asUser: AsUser
  /** nxagent's socket in the display folder; `undefined`: TCP, for QVD's l7r. */
  readonly socket: string | undefined
  /** The node user who alone may connect to that socket. */
  readonly displayOwner: () => number
  /** The client's language if this system has it, else one that it has. */
  readonly language: (wanted: string | undefined) => Promise<{ wanted: string | undefined; fallback: string }>
}

/** Real nxagents, under xinit. */
export function nxAgents(parts: NxAgentParts): XAgents {
  const places = (): NxPlaces => nxPlaces(parts.config(), parts.socket)
  return {
    launch: async (account, request) => {
      const language = await parts.language(request.locale)
      const environment = sessionEnvironment(account, language.wanted, language.fallback)
      const { root, child } = launch(parts.config(), places(), parts.asUser, account, request, environment)
      const record = { account, root, seed: [], application: request.application }
      return new NxAgent(parts, places(), record, child)
    },
    find: (record) => {
      endAll(record.seed)
      return new NxAgent(parts, places(), { ...record, seed: [] }, undefined)
    },
  }
}

/**
 * How often we look whether nxagent has died: until the session has started, and then, when xinit sees it by itself, but waits ten
 * seconds for it. Whoever asks for the state has us look at once.
 */
const LOOK_EARLY_MS = 500
const LOOK_LATE_MS = 10_000
/** How long xinit then has for its own end. */
const XINIT_MS = 1_000

function endAll(processes: readonly ProcessIdentity[]): void {
  for (const process_ of processes) signalProcess(process_, 'SIGTERM')
}

class NxAgent implements XAgentProcess {
  readonly #parts: NxAgentParts
  readonly #places: NxPlaces
  readonly #child: ChildProcess | undefined
  #record: XAgentRecord
  /** nxagent itself, known when its log has told the number. */
  #process: ProcessIdentity | undefined
  #deathWatch: NodeJS.Timeout | undefined
  #lastCall: NodeJS.Timeout | undefined
  #stopWatching: (() => void) | undefined

  constructor(parts: NxAgentParts, places: NxPlaces, record: XAgentRecord, child: ChildProcess | undefined) {
    this.#parts = parts
    this.#places = places
    this.#record = record
    this.#child = child
  }

  get record(): XAgentRecord {
    return this.#record
  }

  isAlive(): boolean {
    this.#lookForDeath()
    return isAlive(this.#record.root)
  }

  follow(onLine: (line: string) => void): () => void {
    return followLines(this.#places.log, (line) => {
      const pid = readPidLine(line)
      if (pid !== undefined) this.#meet(pid)
      if (line.includes('Session: Session started at ')) this.#started()
      onLine(line)
    })
  }

  onEnd(listener: () => void): void {
    this.#child?.once('exit', listener)
  }

  configure(request: SessionRequest): void {
    writeOptions(this.#parts.config(), this.#places, this.#record.account, request)
  }

  hangUp(): void {
    this.#signal('SIGHUP')
  }

  poke(): void {
    const socket = connect(`/tmp/.X11-unix/X${this.#parts.config()['internal.nxagent.display']}`)
    socket.once('connect', () => socket.destroy())
    socket.once('error', () => socket.destroy())
  }

  terminate(): void {
    if (!this.#signal('SIGTERM')) signalProcess(this.#record.root, 'SIGTERM')
  }

  kill(): void {
    const { root, account } = this.#record
    // xinit leads a session of its own, in which nxagent is also when it has not told its number yet.
    for (const member of membersOfSession(root.pid))
      if (member.uid === account.uid) signalProcess(member, 'SIGKILL')
  }

  handOver(): void {
    const { account } = this.#record
    const owner = this.#parts.displayOwner()
    if (this.#places.socket !== undefined)
      giveSocket(this.#places.socket, [account.uid, owner], { uid: owner, gid: 0 })
  }

  async seed(request: SessionRequest, onLent: () => void): Promise<XSeed> {
    const { config, asUser, displayOwner } = this.#parts
    const { account } = this.#record
    const values = config()
    const { socket } = this.#places
    if (socket === undefined)
      throw new Fault('session.failed', { reason: 'a browser cannot open a session that listens on TCP' })
    giveSocket(socket, [account.uid, displayOwner()], account)
    const lend = (process_: ProcessIdentity): void => {
      this.#setSeed([...this.#record.seed, process_])
      onLent()
    }
    const settings = {
      xvfb: values['command.xvfb'],
      nxproxy: values['command.nxproxy'],
      display: values['internal.nxagent.display'] + 1,
      authority: this.#places.authority,
      socket,
      geometry: request.client.geometry,
      environment: sessionEnvironment(account, undefined, 'C.UTF-8'),
    }
    const seed = await plantSeed(account, asUser, settings, lend).catch((error: unknown) => {
      this.#setSeed([])
      throw error
    })
    return {
      cut: () => seed.cut(),
      remove: () => {
        seed.remove()
        this.#setSeed([])
      },
    }
  }

  cleanUp(): void {
    this.#stopWatching?.()
    clearInterval(this.#deathWatch)
    endAll(this.#record.seed)
    // While it waits for its first connection, nxagent has a child that would outlive it.
    if (this.#process !== undefined) killGroup(this.#process)
    if (this.#places.socket !== undefined) freeName(this.#places.socket)
  }

  #setSeed(seed: readonly ProcessIdentity[]): void {
    this.#record = { ...this.#record, seed }
  }

  /** An application's session ends with its last window, also when the program that opened it went on in the background. */
  #watchWindows(): void {
    this.#stopWatching ??= watchLastWindow(
      {
        socket: `/tmp/.X11-unix/X${this.#parts.config()['internal.nxagent.display']}`,
        authority: this.#places.authority,
      },
      () => this.terminate(),
    )
  }

  /** The number comes from a log that the user's programs can write to: only the first, and a process of hers, is taken. */
  #meet(pid: number): void {
    if (this.#process !== undefined && isAlive(this.#process)) return
    const { uid } = this.#record.account
    const found = identify(pid)
    if (found !== undefined && found.uid !== uid) return
    // It may have ended while no agent was there to see; what it left still has its number.
    this.#process = found ?? { pid, uid, startTicks: 0 }
    this.#watchForDeath(LOOK_EARLY_MS)
  }

  #started(): void {
    this.#watchForDeath(LOOK_LATE_MS)
    if (this.#record.application) this.#watchWindows()
  }

  #watchForDeath(everyMs: number): void {
    clearInterval(this.#deathWatch)
    this.#deathWatch = setInterval(() => this.#lookForDeath(), everyMs).unref()
  }

  /**
   * xinit may not see for many seconds that nxagent has died: it waits for its first sign of life, for an answer on the sockets
   * that a child of nxagent's still holds, or for an end that it has missed.
   */
  #lookForDeath(): void {
    if (this.#lastCall !== undefined || this.#process === undefined || isAlive(this.#process)) return
    clearInterval(this.#deathWatch)
    killGroup(this.#process)
    signalProcess(this.#record.root, 'SIGTERM')
    this.#lastCall = setTimeout(() => signalProcess(this.#record.root, 'SIGKILL'), XINIT_MS).unref()
  }

  #signal(signal: NodeJS.Signals): boolean {
    return this.#process !== undefined && signalProcess(this.#process, signal)
  }
}
