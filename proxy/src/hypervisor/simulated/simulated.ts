import { Fault, faultFromBody } from '@ostler/contract/fault.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { Hypervisor, Sighting } from '../hypervisor.ts'
import type { YardCall, YardWord } from './yard-server.ts'

const CONNECT_MS = 5_000
const RETRY_MS = 100

type Verb = YardCall extends infer Call ? (Call extends { n: number } ? Omit<Call, 'n'> : never) : never

/** Desktops that are scripts (`yard.ts`), in a process of their own that is found by its socket. */
export interface SimulatedHypervisor extends Hypervisor, Disposable {
  /** Sets how machines behave from their next boot on. @throws Fault `config.invalid`. */
  setRules(rules: unknown): Promise<void>
}

/**
 * Drives a yard. While it cannot be reached nobody can tell what runs: every desktop is `unknown`.
 * @param path the yard's socket.
 */
export function simulatedHypervisor(path: string): SimulatedHypervisor {
  const link = new YardLink(path)
  return {
    name: 'simulated',
    prepare: (spec) => link.order({ verb: 'prepare', spec }),
    boot: (spec) => link.order({ verb: 'boot', spec }),
    observe: (id) => link.observe(id),
    powerOff: (id) => link.order({ verb: 'powerOff', id }),
    kill: (id) => link.order({ verb: 'kill', id }),
    release: (id) => link.order({ verb: 'release', id }),
    reset: (id) => link.order({ verb: 'reset', id }),
    written: (id) => link.call({ verb: 'written', id }),
    setRules: (rules) => link.order({ verb: 'rules', rules }),
    [Symbol.dispose]: () => link.close(),
  }
}

class YardLink {
  readonly #path: string
  #socket: Socket | undefined
  #seen = new Map<number, Sighting>()
  /** True when the yard has told all. */
  #whole = false
  #closed = false
  #retry: NodeJS.Timeout | undefined
  #calls = 0
  readonly #open = new Map<
    number,
    { resolve: (answer: readonly string[]) => void; reject: (error: unknown) => void }
  >()

  constructor(path: string) {
    this.#path = path
    this.#connect()
  }

  observe(id: number): Sighting {
    if (!this.#whole) return { processes: 'unknown' }
    return this.#seen.get(id) ?? { processes: 'absent' }
  }

  async order(verb: Verb): Promise<void> {
    await this.call(verb)
  }

  async call(verb: Verb): Promise<readonly string[]> {
    if (!(await comesToHold(() => this.#whole, CONNECT_MS, 5))) throw this.#gone()
    const n = ++this.#calls
    const socket = this.#socket
    // Whoever waits for an answer may have nothing else to stay for.
    socket?.ref()
    try {
      return await new Promise((resolve, reject) => {
        this.#open.set(n, { resolve, reject })
        socket?.write(`${JSON.stringify({ n, ...verb })}\n`)
      })
    } finally {
      if (this.#open.size === 0) socket?.unref()
    }
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#retry)
    this.#socket?.destroy()
  }

  #connect(): void {
    const socket = connect(this.#path)
    this.#socket = socket
    this.#seen = new Map()
    socket.unref()
    socket.on('error', () => socket.destroy())
    createInterface(socket)
      .on('line', (line) => this.#hear(JSON.parse(line) as YardWord))
      .on('error', () => {})
    socket.once('close', () => {
      this.#whole = false
      for (const { reject } of this.#open.values()) reject(this.#gone())
      this.#open.clear()
      if (!this.#closed) this.#retry = setTimeout(() => this.#connect(), RETRY_MS).unref()
    })
  }

  #hear(word: YardWord): void {
    if ('all' in word) this.#whole = true
    else if ('sighting' in word) {
      if (word.sighting.processes === 'absent') this.#seen.delete(word.id)
      else this.#seen.set(word.id, word.sighting)
    } else {
      const call = this.#open.get(word.n)
      this.#open.delete(word.n)
      if (word.fault === undefined) call?.resolve(word.answer ?? [])
      else call?.reject(faultFromBody(word.fault) ?? this.#gone())
    }
  }

  #gone(): Fault {
    return new Fault('container.failed', {
      desktop: '',
      reason: `no simulated yard answers at ${this.#path}`,
    })
  }
}
