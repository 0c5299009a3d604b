import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { YardWord } from '../../proxy/src/hypervisor/simulated/yard-server.ts'
import type { BrokenNode } from './broken-node.ts'

/** What really runs, seen past hkd. */
export interface Machines extends Disposable {
  /** The machines of a desktop: each boot has a name that no other has. Two at once are one too many. */
  of(vmId: number): readonly string[]
}

/** Looks at the yard as one more driver does, or at the node's processes. */
export function watchMachines(node: BrokenNode): Machines {
  return node.isSimulated ? new YardMachines(node) : new Containers(node)
}

class YardMachines implements Machines {
  readonly #path: string
  readonly #lives = new Map<number, string>()
  #socket: Socket | undefined
  #count = 0
  #closed = false

  constructor(node: BrokenNode) {
    this.#path = join(node.folder, 'run/yard/yard.sock')
    this.#connect()
  }

  of(vmId: number): readonly string[] {
    const life = this.#lives.get(vmId)
    return life === undefined ? [] : [life]
  }

  [Symbol.dispose](): void {
    this.#closed = true
    this.#socket?.destroy()
  }

  #connect(): void {
    const socket = connect(this.#path)
    this.#socket = socket
    socket.on('error', () => socket.destroy())
    createInterface(socket)
      .on('line', (line) => this.#hear(JSON.parse(line) as YardWord))
      .on('error', () => {})
    socket.once('close', () => {
      // The machines end with their yard.
      this.#lives.clear()
      if (!this.#closed) setTimeout(() => this.#connect(), 20).unref()
    })
  }

  #hear(word: YardWord): void {
    if (!('sighting' in word)) return
    if (word.sighting.processes === 'absent') this.#lives.delete(word.id)
    else if (!this.#lives.has(word.id)) this.#lives.set(word.id, `life ${++this.#count}`)
  }
}

class Containers implements Machines {
  readonly #node: BrokenNode

  constructor(node: BrokenNode) {
    this.#node = node
  }

  of(vmId: number): readonly string[] {
    return this.#node.world
      .processes(vmId)
      .filter((pid) => isFirstOfItsSpace(pid))
      .map((pid) => `process ${pid}`)
  }

  [Symbol.dispose](): void {}
}

/** The first process of a container is number 1 where it is, and has another number here. */
function isFirstOfItsSpace(pid: number): boolean {
  try {
    const [, numbers = ''] = /^NSpid:\s+(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    const [, inside, ...deeper] = numbers.split(/\s+/)
    return inside === '1' && deeper.length === 0
  } catch {
    return false
  }
}
