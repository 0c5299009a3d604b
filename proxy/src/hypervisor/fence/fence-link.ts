import { withDeadline } from '@ostler/kit/deadline.ts'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { FenceOrder, FenceWord } from './fence-server.ts'
import type { FenceState } from './fence.ts'

/** How long ending desktops may take. */
const CLOSE_MS = 15_000
const SET_MS = 2_000

/** Tells the fence of a node what it needs to know. One order at a time; each has a connection of its own. */
export class FenceLink {
  readonly #path: string
  readonly #onSilence: () => void

  /**
   * @param path of the fence's socket.
   * @param onSilence called when no fence has heard an order: it may have died.
   */
  constructor(path: string, onSilence: () => void = () => {}) {
    this.#path = path
    this.#onSilence = onSilence
  }

  /** How the fence stands. @throws Error when there is none. */
  async look(): Promise<FenceState> {
    return await this.#order({ look: true }, SET_MS)
  }

  /** Says until when desktops may run. @throws Error when no fence has heard it. */
  async set(until: number): Promise<FenceState> {
    return await this.#order({ until: Number.isFinite(until) ? until : null }, SET_MS)
  }

  /** Ends all desktops of the node now. @throws Error when no fence has heard it. */
  async close(): Promise<FenceState> {
    return await this.#order({ close: true }, CLOSE_MS)
  }

  async #order(order: FenceOrder, ms: number): Promise<FenceState> {
    const socket = connect(this.#path)
    let word: FenceWord
    try {
      word = await withDeadline('telling the fence', ms, () => answerOf(socket, order))
    } catch (error) {
      this.#onSilence()
      throw error
    } finally {
      socket.destroy()
    }
    if ('failed' in word) throw new Error(`the fence: ${word.failed}`)
    return word
  }
}

async function answerOf(socket: Socket, order: FenceOrder): Promise<FenceWord> {
  return await new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the fence has gone')))
    const lines = createInterface(socket)
    lines.on('error', reject)
    lines.once('line', (line) => resolve(JSON.parse(line) as FenceWord))
    socket.write(`${JSON.stringify(order)}\n`)
  })
}
