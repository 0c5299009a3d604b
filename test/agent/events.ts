import { agentApi } from '@ostler/contract/agent-api.ts'
import { Fault, type FaultCode } from '@ostler/contract/fault.ts'
import fc from 'fast-check'
import { eventually, type NxClient, type SessionUnderTest } from '../fixtures/session-under-test.ts'

type CallName = 'x_state' | 'x_start' | 'x_suspend' | 'x_stop'

/** Something that happens to a session. */
export type Event =
  /** An l7r starts it and repeats the call until it is ready; then its client connects, or never comes. */
  | { readonly kind: 'start'; readonly display: 'nx' | 'rfb'; readonly user: string; readonly joins: boolean }
  | { readonly kind: 'suspend' | 'stop' | 'look' }
  | { readonly kind: 'connect' }
  /** What the newest client does. */
  | { readonly kind: 'client'; readonly does: 'leave' | 'breakLink' | 'freeze' }
  | { readonly kind: 'kill X agent' | 'kill xinit' | 'end program' | 'restart agent' }
  | { readonly kind: 'pass'; readonly ms: number }

/** A session that nobody uses is at rest within this. */
const REST_MS = 120_000

const USERS = ['ann', 'ann', 'ann', 'ann', 'ann', 'bob']
/** Every pause after which something else is going on. */
const PAUSES = [0, 0, 1, 20, 100, 100, 400, 400, 1_100, 1_100, 2_500, 6_000, 15_000, 40_000, 70_000]

/** Events, as often as they lead somewhere, and pauses. @param longest a pause, in milliseconds. */
export function anyEvent(longest: number): fc.Arbitrary<Event> {
  const start = fc.record({
    kind: fc.constant('start' as const),
    display: fc.constantFrom('nx', 'nx', 'nx', 'rfb'),
    user: fc.constantFrom(...USERS),
    joins: fc.constantFrom(true, true, true, false),
  })
  const kill = fc.constantFrom('kill X agent', 'kill xinit', 'end program', 'restart agent')
  const does = fc.constantFrom('leave', 'breakLink', 'breakLink', 'freeze')
  const pauses = PAUSES.filter((ms) => ms <= longest)
  return fc.oneof(
    { weight: 8, arbitrary: start },
    { weight: 2, arbitrary: fc.constant({ kind: 'suspend' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'stop' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'look' as const }) },
    { weight: 2, arbitrary: fc.constant({ kind: 'connect' as const }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('client' as const), does }) },
    { weight: 2, arbitrary: fc.record({ kind: kill }) },
    {
      weight: 16,
      arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(...pauses) }),
    },
  )
}

/** So long nobody waits for a halt in vain: the session's own end, and what was under way before. */
const HALT_MS = agentApi.x_stop.deadlineMs

/** Plays events, and holds the calls to what the contract says about them. */
export class Player {
  readonly #desktop: SessionUnderTest
  readonly #timed: boolean
  readonly #clients: NxClient[] = []
  readonly #underWay = new Set<Promise<unknown>>()
  /** Calls for the end of the session. */
  #stops = 0
  /** What must never happen, in the order in which it did. */
  readonly broken: string[] = []

  /** @param timed whether time is worth looking at: on a slow machine it is not. */
  constructor(desktop: SessionUnderTest, timed: boolean) {
    this.#desktop = desktop
    this.#timed = timed
  }

  /** True while somebody has asked for the end of the session. */
  get isStopping(): boolean {
    return this.#stops > 0
  }

  /** Lets an event happen; what it begins goes on by itself. */
  async play(event: Event): Promise<void> {
    const desktop = this.#desktop
    switch (event.kind) {
      case 'start':
        return void this.#begin(this.#startAndJoin(event))
      case 'suspend':
        return void this.#begin(this.#call('x_suspend', () => desktop.calls.x_suspend({})))
      case 'stop':
        return void this.#begin(this.#ending(this.#call('x_stop', () => desktop.calls.x_stop({}))))
      case 'look':
        return void this.#begin(this.#call('x_state', () => desktop.calls.x_state({})))
      case 'connect':
        return void this.#clients.push(desktop.connect())
      case 'client':
        return this.#clients.at(-1)?.[event.does]()
      case 'kill X agent':
        return void (await desktop.killXAgent())
      case 'kill xinit':
        return void (await desktop.killXinit())
      case 'end program':
        return void (await desktop.endProgram())
      case 'restart agent':
        return void (await desktop.restartAgent())
      case 'pass':
        return void (await new Promise((resolve) => setTimeout(resolve, event.ms)))
    }
  }

  /** Watches over a halt, which is no call. */
  watchHalt(halt: Promise<unknown>): void {
    const allowed: readonly FaultCode[] = ['agent.unreachable', 'session.failed']
    this.#begin(this.#ending(this.#hold('halt', HALT_MS, allowed, () => halt)))
  }

  /** Sees the last client and the last call go. */
  async becomeQuiet(): Promise<void> {
    while (this.#underWay.size > 0) {
      this.#dropClients()
      await Promise.race(this.#underWay)
    }
    this.#dropClients()
  }

  /** Waits for the session to come to rest: two minutes at most. */
  async comeToRest(): Promise<void> {
    // As watchers see it: to ask would make the agent look.
    const state = (): string => this.#desktop.changes.at(-1)?.state ?? 'untold'
    const rests = (): boolean => state() === 'stopped' || state() === 'suspended'
    await eventually('rest', rests, REST_MS, 100).catch(() => {
      this.broken.push(`two minutes after the last client and call the session was still ${state()}`)
    })
  }

  #begin(work: Promise<unknown>): void {
    this.#underWay.add(work)
    void work.finally(() => this.#underWay.delete(work))
  }

  async #ending<T>(work: Promise<T>): Promise<T> {
    this.#stops += 1
    try {
      return await work
    } finally {
      this.#stops -= 1
    }
  }

  #dropClients(): void {
    for (const client of this.#clients.splice(0)) client.breakLink()
  }

  async #startAndJoin({ display, user, joins }: Event & { kind: 'start' }): Promise<void> {
    const parameters = { 'qvd.vm.user.name': user }
    for (;;) {
      const answer = await this.#call('x_start', () => this.#desktop.calls.x_start({ display, parameters }))
      if (answer === undefined) return
      if (!answer.ready) continue
      if (joins && answer.state === 'listening') this.#clients.push(this.#desktop.connect())
      return
    }
  }

  /** The answer of a call, or nothing where it failed in a way that the contract allows. */
  #call<T>(name: CallName, make: () => Promise<T>): Promise<T | undefined> {
    const { deadlineMs, faults } = agentApi[name]
    return this.#hold(name, deadlineMs, [...faults, 'agent.unreachable'], make)
  }

  async #hold<T>(
    name: string,
    deadlineMs: number,
    allowed: readonly FaultCode[],
    make: () => Promise<T>,
  ): Promise<T | undefined> {
    const began = performance.now()
    try {
      return await make()
    } catch (error) {
      if (!(error instanceof Fault) || !allowed.includes(error.code))
        this.broken.push(`${name} failed with ${String(error)}`)
      return undefined
    } finally {
      const took = performance.now() - began
      if (this.#timed && took > deadlineMs) this.broken.push(`${name} took ${took} ms`)
    }
  }
}
