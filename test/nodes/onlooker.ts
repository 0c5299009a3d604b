import { setTimeout as sleep } from 'node:timers/promises'
import { HomeWitness } from './home-witness.ts'
import type { SeveralNodes } from './several-nodes.ts'

const SAMPLE_MS = 50
/** Files are read whole: seldom. */
const READ_EVERY = 10

/** Looks on all the time: at processes of desktops on all nodes, and at what the desktops write. It asks no node. */
export class Onlooker implements AsyncDisposable {
  readonly #nodes: SeveralNodes
  readonly #homes = new Map<number, HomeWitness>()
  readonly #found: string[] = []
  readonly #sampling: Promise<void>
  #closed = false

  /** @param names of desktops, by number. */
  constructor(nodes: SeveralNodes, names: ReadonlyMap<number, string>) {
    this.#nodes = nodes
    for (const [id, name] of names) this.#homes.set(id, new HomeWitness(() => nodes.witnessFile(name)))
    this.#sampling = this.#sample()
  }

  /** What was found wrong since the last time. */
  take(): string[] {
    this.#read()
    return this.#found.splice(0)
  }

  /** What a desktop has written, as far as it was read. */
  home(id: number): HomeWitness {
    const home = this.#homes.get(id)
    if (home === undefined) throw new Error(`nobody looks at desktop ${id}`)
    return home
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await this.#sampling
  }

  async #sample(): Promise<void> {
    for (let count = 0; !this.#closed; count++) {
      for (const id of this.#homes.keys()) {
        const on = this.#nodes.runsOn(id)
        if (on.length > 1) this.#found.push(`desktop ${id} runs on ${on.join(' and ')}`)
      }
      if (count % READ_EVERY === 0) this.#read()
      await sleep(SAMPLE_MS)
    }
  }

  #read(): void {
    for (const [id, home] of this.#homes)
      this.#found.push(...home.look().map((what) => `home of desktop ${id}: ${what}`))
  }
}
