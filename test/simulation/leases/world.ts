import {
  type HostClocks,
  HostLease,
  type Member,
  type PeerAnswer,
  type SilentHost,
} from '@ostler/proxy/model/host-lease.ts'

const CLOCKS: HostClocks = { tickMs: 2, leaseMs: 20, lostAfterMs: 27 }
/** What a fence may take to end everything. */
const FENCE_MS = CLOCKS.lostAfterMs - CLOCKS.leaseMs
export const NODES = 3
export const STEPS = 400

/** What is done wrong on purpose, to see that the check would find it. */
export type Mistake =
  | 'lease counts from the answer'
  | 'who does not answer is blind'
  | 'says blind and forgets nothing'
  | 'who is not known may declare'
  | 'a stopped node comes back with its old standing'
  | 'the fence is slow'

interface Row {
  state: 'running' | 'stopped' | 'lost'
  seen: number
  standing: number
  told: number
}

interface Letter {
  /** When it arrives; at most a few steps late, or never. */
  readonly at: number
  readonly deliver: () => void
}

/**
 * One desktop, three nodes, a database: links break and heal, what is sent comes late or never, hkd is frozen, dies, stops
 * and comes back. The nodes have the live rules; the database is a row of each node.
 */
export class World {
  readonly rows: Row[] = Array.from({ length: NODES }, () => ({
    state: 'stopped',
    seen: 0,
    standing: 0,
    told: 0,
  }))
  readonly nodes = Array.from({ length: NODES }, (_, id) => new Node(this, id))
  readonly mail: Letter[] = []
  readonly cut = new Set<string>()
  standings = 0
  owner = 0
  now = 0
  takeOvers = 0
  readonly mistake: Mistake | undefined
  readonly random: () => number

  constructor(seed: number, mistake?: Mistake) {
    this.mistake = mistake
    this.random = randomOf(seed)
  }

  chance(p: number): boolean {
    return this.random() < p
  }

  /** Sends something over a link, which may be cut now or when it arrives. */
  send(link: string, deliver: () => void): void {
    const late = this.chance(0.1) ? Math.floor(this.random() * 40) : Math.floor(this.random() * 2)
    const passes = (): boolean => !this.cut.has(link) && !this.cut.has(link.split('-')[1] ?? '')
    if (!passes()) return
    this.mail.push({ at: this.now + late, deliver: () => passes() && deliver() })
  }

  step(): void {
    this.now += 1
    this.#break()
    for (const node of this.nodes) node.step()
    for (const letter of this.mail.splice(0)) {
      if (letter.at > this.now) this.mail.push(letter)
      else letter.deliver()
    }
  }

  /** Nodes on which the desktop runs at this moment. */
  get running(): number[] {
    return this.nodes.filter((node) => node.runs).map(({ id }) => id)
  }

  #break(): void {
    const links = [
      'database',
      ...this.nodes.flatMap(({ id }) => [`${id}-database`, `${id}-0`, `${id}-1`, `${id}-2`]),
    ]
    for (const link of links) {
      const isCut = this.cut.has(link)
      if (this.chance(isCut ? 0.03 : 0.004)) {
        if (isCut) this.cut.delete(link)
        else this.cut.add(link)
      }
    }
  }
}

class Node {
  readonly id: number
  readonly #world: World
  #lease = new HostLease(CLOCKS)
  #hkd: 'up' | 'frozen' | 'gone' = 'gone'
  /** What the fence has been told; it lives on without hkd. */
  #fence = Infinity
  #nextTick = 0
  runs = false

  constructor(world: World, id: number) {
    this.#world = world
    this.id = id
  }

  step(): void {
    const world = this.#world
    const slow = world.mistake === 'the fence is slow' ? FENCE_MS + 10 : FENCE_MS - 1
    if (world.now > this.#fence + slow * world.random()) this.runs = false
    if (this.#hkd === 'gone' && world.chance(0.1)) this.#begin()
    else if (this.#hkd === 'frozen' && world.chance(0.02)) this.#hkd = 'up'
    else if (this.#hkd === 'up' && world.chance(0.004)) this.#hkd = 'frozen'
    else if (this.#hkd === 'up' && world.chance(0.003)) this.#hkd = 'gone'
    else if (this.#hkd === 'up' && world.chance(0.002)) this.#stop()
    if (this.#hkd !== 'up' || world.now < this.#nextTick) return
    this.#nextTick = world.now + CLOCKS.tickMs
    this.#tick()
    if (this.#fence - world.now < CLOCKS.leaseMs - 3 * CLOCKS.tickMs) this.#ask()
  }

  /** In service only once the fence is armed; a stopped one comes back as a newcomer. */
  #begin(): void {
    const world = this.#world
    if (world.cut.has('database') || world.cut.has(`${this.id}-database`)) return
    const row = world.rows[this.id] as Row
    this.#hkd = 'up'
    this.#lease = new HostLease(CLOCKS)
    if (row.state === 'lost') this.runs = false
    if (row.state === 'running') return
    const keeps = world.mistake === 'a stopped node comes back with its old standing' && row.standing > 0
    this.#fence = world.now + CLOCKS.leaseMs
    Object.assign(row, { standing: keeps ? row.standing : ++world.standings, told: 0, seen: row.seen + 1 })
    row.state = 'running'
  }

  /** Nobody takes the desktops of a node that has said that it stops. */
  #stop(): void {
    const world = this.#world
    if (world.cut.has('database') || world.cut.has(`${this.id}-database`)) return
    const row = world.rows[this.id] as Row
    if (row.state !== 'running') return
    row.state = 'stopped'
    if (world.now < this.#fence) this.#fence = Infinity
    this.#hkd = 'gone'
  }

  #tick(): void {
    const world = this.#world
    const askedAt = world.now
    const { told } = this.#lease
    const lease = this.#lease
    world.send(`${this.id}-database`, () => {
      const row = world.rows[this.id] as Row
      if (row.state !== 'running') return this.#answered(lease, () => (this.#hkd = 'gone'))
      row.seen += 1
      row.told = world.mistake === 'who is not known may declare' ? Infinity : told
      const others = world.rows.map((other, id) => ({ ...other, id })).filter(({ id }) => id !== this.id)
      const inService = others.filter(({ state }) => state === 'running')
      const members: Member[] = inService.map(({ id, standing }) => ({
        id,
        name: '',
        standing,
        address: '',
        port: 1,
      }))
      const silent: SilentHost[] = inService.map(({ id, seen, told }) => ({
        ...{ id, name: '', seen: String(seen), told, lostAfterMs: CLOCKS.lostAfterMs },
      }))
      const sight = { standing: row.standing, silent, members }
      world.send(`${this.id}-database`, () =>
        this.#answered(lease, () => {
          const from = world.mistake === 'lease counts from the answer' ? world.now : askedAt
          const lost = lease.ticked(from, world.now, sight)
          this.#tellFence()
          for (const host of lost) this.#declare(host)
          if (world.owner === this.id && world.now < this.#fence) this.runs = true
        }),
      )
    })
  }

  /** Nothing reaches a process that is not there; one that is frozen reads it when it goes on. */
  #answered(lease: HostLease, act: () => void): void {
    if (this.#hkd === 'gone' || lease !== this.#lease) return
    if (this.#hkd === 'frozen')
      this.#world.mail.push({ at: this.#world.now + 1, deliver: () => this.#answered(lease, act) })
    else act()
  }

  /** Also a time that is over: until now there may have been none. */
  #tellFence(): void {
    this.#fence = this.#lease.until
  }

  #declare({ id, seen }: SilentHost): void {
    const world = this.#world
    const row = world.rows[id] as Row
    if (world.cut.has('database') || world.cut.has(`${this.id}-database`)) return
    if (row.state !== 'running' || String(row.seen) !== seen) return
    row.state = 'lost'
    if (world.owner !== id) return
    world.owner = this.id
    world.takeOvers += 1
    if (world.now < this.#fence) this.runs = true
  }

  #ask(): void {
    const world = this.#world
    const askedAt = world.now
    const lease = this.#lease
    const answers = new Map<number, PeerAnswer>()
    if (world.mistake === 'who does not answer is blind')
      for (const { id } of lease.members) answers.set(id, 'blind')
    for (const { id } of lease.members) {
      const peer = world.nodes[id] as Node
      world.send(`${this.id}-${id}`, () =>
        peer.#answered(peer.#lease, () => {
          const answer = peer.#says()
          world.send(`${this.id}-${id}`, () =>
            this.#answered(lease, () => {
              answers.set(id, answer)
              if (lease.held(askedAt, answers)) this.#tellFence()
            }),
          )
        }),
      )
    }
  }

  #says(): PeerAnswer {
    const { now, mistake } = this.#world
    // As seen by a lease of the same past: the real one goes on as if nobody had asked.
    return mistake === 'says blind and forgets nothing' ? 'blind' : this.#lease.answer(now)
  }
}

/** xorshift: the same seed gives the same world. */
function randomOf(seed: number): () => number {
  let state = (seed | 0) ^ 0x9e3779b9 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

/**
 * Plays a world.
 * @param count called with it when it is over, and nothing was wrong.
 * @returns when a desktop first ran on two nodes; `undefined`: it never did.
 */
export function brokenAt(
  seed: number,
  mistake?: Mistake,
  count?: (world: World) => void,
): number | undefined {
  const world = new World(seed, mistake)
  for (let step = 0; step < STEPS; step++) {
    world.step()
    if (world.running.length > 1) return step
  }
  count?.(world)
  return undefined
}
