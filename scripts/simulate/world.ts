import type { LoadBalancer } from '@ostler/proxy/balance/balancer.ts'
import { backOff } from '@ostler/proxy/model/back-off.ts'
import { decide } from '@ostler/proxy/model/decide.ts'
import { drawOf, type HostPlaces } from '@ostler/proxy/model/host.ts'
import { HOST_CLOCKS } from '@ostler/proxy/model/host-lease.ts'
import { next, type VmEvent, type VmState } from '@ostler/proxy/model/vm-machine.ts'
import { EventQueue } from './event-queue.ts'

export const SCENARIOS = ['login-storm', 'node-death', 'image-roll-out'] as const
export type Scenario = (typeof SCENARIOS)[number]

export interface SimulationSettings {
  readonly desktops: number
  readonly hosts: number
  readonly scenario: Scenario
  readonly balancer: LoadBalancer
  readonly seed: number
  /** Of each node. */
  readonly hostMb: number
  readonly startingMax: number
  /** Of a desktop; half of them take this, the others half or twice as much. */
  readonly desktopMb: number
  /** Of a thousand starts so many fail. */
  readonly failing: number
}

interface Desktop {
  readonly id: number
  readonly memoryMb: number
  state: VmState
  epoch: number
  host: Host | undefined
  goal: 'up' | 'down' | undefined
  wishedAt: number
  failures: number
  processes: 'present' | 'absent'
  agentUp: boolean
  /** The next start is due. */
  mayTry: boolean
  effect: 'pending' | 'done' | 'failed'
  again: boolean
}

type Host = { -readonly [K in keyof HostPlaces]: HostPlaces[K] } & { alive: boolean; desktops: number }

/** One moment of the whole world. */
export interface Sample {
  readonly ms: number
  readonly running: number
  readonly waiting: number
  readonly starting: number
}

export interface SimulationResult {
  readonly samples: readonly Sample[]
  readonly placements: number
  readonly retries: number
  /** Desktops for which no node had room. */
  readonly refused: number
  /** From a wish to a running desktop. */
  readonly toRunning: readonly number[]
  /** From a wish to a node. */
  readonly toPlaced: readonly number[]
  /** Memory of the fullest node over that of the mean one, in parts of what they have. */
  readonly skew: number
  readonly endMs: number
}

const STORM_MS = 300_000
const SAMPLE_MS = 5_000
const PREPARE_MS = 400
/** The quickest boot; one in two takes as long again, one in a hundred ten times as long. */
const BOOT_MS = 2_000
const HALT_MS = 1_500
/** A first look at a silent node is so late. */
const SILENT_MS = 3_000
const RETRIES = { firstMs: 5_000, longestMs: 600_000 }
const GIVE_UP = 5
const DYING = 0.05
const WAVE = 0.05

/**
 * Plays a scenario with the live rules: each step of a desktop is `decide`'s, each node the balancer's, and what a start takes of a
 * node the next one sees. Time is that of the scenario; the same seed gives the same world.
 */
export function simulate(settings: SimulationSettings): SimulationResult {
  return new World(settings).run()
}

class World {
  readonly #settings: SimulationSettings
  readonly #hosts: Host[]
  readonly #desktops: Desktop[]
  readonly #events = new EventQueue()
  readonly #waiting = new Set<Desktop>()
  readonly #samples: Sample[] = []
  readonly #toRunning: number[] = []
  readonly #toPlaced: number[] = []
  #placements = 0
  #retries = 0
  #refused = 0
  #running = 0
  #starting = 0
  /** Nodes that live, and those of them that have a place for a start. */
  #alive: Host[]
  readonly #open: Host[]

  constructor(settings: SimulationSettings) {
    this.#settings = settings
    const { hostMb: totalMb, startingMax } = settings
    this.#hosts = Array.from({ length: settings.hosts }, (_, index) => ({
      ...{
        id: index + 1,
        totalMb,
        usedMb: 0,
        desktops: 0,
        ofUser: 0,
        cpu: 0,
        starting: 0,
        startingMax,
        alive: true,
      },
    }))
    this.#alive = [...this.#hosts]
    this.#open = startingMax > 0 ? [...this.#hosts] : []
    this.#desktops = Array.from({ length: settings.desktops }, (_, index) => {
      const size = [1, 1, 0.5, 2][index % 4] ?? 1
      return {
        ...{
          id: index + 1,
          memoryMb: settings.desktopMb * size,
          state: 'stopped',
          epoch: 0,
          host: undefined,
        },
        ...{ goal: undefined, wishedAt: 0, failures: 0, processes: 'absent', agentUp: false, mayTry: true },
        ...{ effect: 'done', again: false },
      } satisfies Desktop
    })
  }

  run(): SimulationResult {
    this.#begin()
    const sample = (): void => {
      this.#samples.push({
        ...{
          ms: this.#events.now,
          running: this.#running,
          waiting: this.#waiting.size,
          starting: this.#starting,
        },
      })
      if (this.#events.size > 0) this.#events.after(SAMPLE_MS, sample)
    }
    sample()
    this.#events.drain()
    const shares = this.#hosts.filter(({ alive }) => alive).map(({ usedMb, totalMb }) => usedMb / totalMb)
    const mean = shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length)
    return {
      samples: this.#samples,
      placements: this.#placements,
      retries: this.#retries,
      refused: this.#refused,
      toRunning: this.#toRunning.toSorted((a, b) => a - b),
      toPlaced: this.#toPlaced.toSorted((a, b) => a - b),
      skew: mean === 0 ? 1 : Math.max(...shares) / mean,
      endMs: this.#events.now,
    }
  }

  #begin(): void {
    const { scenario, desktops } = this.#settings
    if (scenario === 'login-storm') {
      for (const desktop of this.#desktops)
        this.#events.after(STORM_MS * this.#chance(desktop, 1), () => this.#wishUp(desktop))
      return
    }
    for (const desktop of this.#desktops) this.#settle(desktop)
    if (scenario === 'node-death') {
      const dying = this.#hosts.slice(0, Math.max(1, Math.floor(this.#hosts.length * DYING)))
      this.#events.after(0, () => dying.forEach((host) => this.#die(host)))
      return
    }
    const size = Math.max(1, Math.ceil(desktops * WAVE))
    for (let from = 0, wave = 0; from < desktops; from += size, wave++)
      this.#events.after(wave * 60_000, () => {
        for (const desktop of this.#desktops.slice(from, from + size)) this.#restart(desktop)
      })
  }

  /** A desktop that has been running for long. */
  #settle(desktop: Desktop): void {
    const host = this.#choose(desktop, this.#hosts)
    if (host === undefined) return
    this.#take(desktop, host)
    Object.assign(desktop, { state: 'running', epoch: 1, processes: 'present', agentUp: true })
    this.#running += 1
  }

  #restart(desktop: Desktop): void {
    if (desktop.state !== 'running') return
    desktop.again = true
    desktop.goal = 'down'
    this.#step(desktop)
  }

  /** Its desktops end with it, and others have them when it is lost. */
  #die(host: Host): void {
    host.alive = false
    this.#alive = this.#alive.filter((one) => one !== host)
    this.#setOpen(host)
    this.#events.after(SILENT_MS + HOST_CLOCKS.lostAfterMs, () => {
      for (const desktop of this.#desktops.filter((one) => one.host === host)) {
        if (desktop.state === 'running') this.#running -= 1
        Object.assign(desktop, { processes: 'absent', agentUp: false })
        this.#move(desktop, 'hostLost')
        this.#step(desktop)
        this.#wishUp(desktop)
      }
    })
  }

  #wishUp(desktop: Desktop): void {
    desktop.goal = 'up'
    desktop.wishedAt = this.#events.now
    this.#step(desktop)
  }

  /** What hkd does at each look. */
  #step(desktop: Desktop): void {
    for (;;) {
      const event = decide({
        ...{
          state: desktop.state,
          hypervisor: null,
          ageMs: 0,
          goal: desktop.goal,
          processes: desktop.processes,
        },
        ...{
          effect: desktop.effect,
          agentUp: desktop.agentUp,
          agentLost: false,
          faulty: desktop.failures > 0,
        },
        ...{ mayTry: desktop.mayTry, resetAsked: false },
      })
      if (event === undefined) return
      if (event === 'start') return this.#queue(desktop)
      this.#move(desktop, event)
    }
  }

  #move(desktop: Desktop, event: VmEvent): void {
    const from = desktop.state
    const to = next(from, event)
    if (to === undefined) throw new Error(`decide gave ${event} in ${from}`)
    desktop.state = to
    const wasStarting = from === 'preparing' || from === 'booting'
    if (wasStarting && to !== 'booting') this.#endStart(desktop)
    switch (to) {
      case 'preparing':
        return this.#later(desktop, PREPARE_MS, () => (desktop.effect = 'done'))
      case 'booting':
        return this.#boot(desktop)
      case 'running':
        this.#running += 1
        desktop.goal = undefined
        desktop.failures = 0
        return void this.#toRunning.push(this.#events.now - desktop.wishedAt)
      case 'stopping':
        if (from === 'running') this.#running -= 1
        return this.#later(desktop, HALT_MS, () =>
          Object.assign(desktop, { processes: 'absent', agentUp: false }),
        )
      case 'killing':
        return this.#later(desktop, 100, () => (desktop.processes = 'absent'))
      case 'stopped':
      case 'failed':
        this.#rest(desktop, to)
        return
      case 'lost':
        return
    }
  }

  #boot(desktop: Desktop): void {
    desktop.processes = 'present'
    if (this.#chance(desktop, 2) * 1_000 < this.#settings.failing) {
      desktop.failures += 1
      return this.#later(desktop, BOOT_MS, () => (desktop.effect = 'failed'))
    }
    const slow = 1 / Math.max(0.1, 1 - this.#chance(desktop, 3))
    desktop.effect = 'done'
    this.#later(desktop, BOOT_MS * slow, () => (desktop.agentUp = true))
  }

  #rest(desktop: Desktop, state: 'stopped' | 'failed'): void {
    this.#leave(desktop)
    if (state === 'failed') {
      desktop.mayTry = false
      if (desktop.failures > GIVE_UP) return
      this.#retries += 1
      return this.#later(desktop, backOff(desktop.failures, RETRIES), () => (desktop.mayTry = true))
    }
    desktop.effect = 'done'
    if (desktop.goal === 'down') desktop.goal = undefined
    if (!desktop.again) return
    desktop.again = false
    this.#events.after(0, () => this.#wishUp(desktop))
  }

  #queue(desktop: Desktop): void {
    this.#waiting.add(desktop)
    this.#placeNext()
  }

  /** In the order in which they came, as long as a node has a place for a start. */
  #placeNext(): void {
    for (const desktop of this.#waiting) {
      if (this.#open.length === 0) return
      const fitting = this.#choose(desktop, this.#open)
      if (fitting === undefined && this.#choose(desktop, this.#alive) !== undefined) continue
      this.#waiting.delete(desktop)
      if (fitting === undefined) {
        this.#refused += 1
        desktop.goal = undefined
        continue
      }
      this.#place(desktop, fitting)
    }
  }

  #place(desktop: Desktop, host: Host): void {
    this.#take(desktop, host)
    host.starting += 1
    this.#setOpen(host)
    this.#starting += 1
    this.#placements += 1
    desktop.epoch += 1
    desktop.effect = 'pending'
    this.#toPlaced.push(this.#events.now - desktop.wishedAt)
    this.#move(desktop, 'start')
  }

  /** Keeps the list of those that have a place. Its order is nobody's: a balancer does not heed it. */
  #setOpen(host: Host): void {
    const isOpen = host.alive && host.starting < host.startingMax
    const place = this.#open.indexOf(host)
    if (isOpen && place < 0) this.#open.push(host)
    if (isOpen || place < 0) return
    const last = this.#open.pop()
    if (last !== undefined && last !== host) this.#open[place] = last
  }

  #choose(desktop: Desktop, hosts: readonly Host[]): Host | undefined {
    const need = { memoryMb: desktop.memoryMb, draw: drawOf(desktop) }
    const id = this.#settings.balancer.choose(hosts, need)
    return id === undefined ? undefined : this.#hosts[id - 1]
  }

  #take(desktop: Desktop, host: Host): void {
    desktop.host = host
    host.usedMb += desktop.memoryMb
    host.desktops += 1
  }

  #leave(desktop: Desktop): void {
    const { host } = desktop
    if (host === undefined) return
    host.usedMb -= desktop.memoryMb
    host.desktops -= 1
    desktop.host = undefined
  }

  #endStart({ host }: Desktop): void {
    if (host === undefined) return
    host.starting -= 1
    this.#starting -= 1
    this.#setOpen(host)
    if (this.#waiting.size > 0) this.#events.after(0, () => this.#placeNext())
  }

  /** What happens to this boot alone. */
  #later(desktop: Desktop, ms: number, act: () => void): void {
    const { epoch, host } = desktop
    this.#events.after(ms, () => {
      if (desktop.epoch !== epoch || (host !== undefined && !host.alive)) return
      act()
      this.#step(desktop)
    })
  }

  /** In [0, 1), the same for the same boot. */
  #chance({ id, epoch }: Desktop, what: number): number {
    return drawOf({ id: id * 7 + what, epoch: epoch + this.#settings.seed })
  }
}
