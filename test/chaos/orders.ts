import type { ApiClient } from '@ostler/qa/api-client.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Order } from './plan.ts'

/** Where the last acknowledged order leaves a desktop; `either` when nobody knows whether it was heard. */
export type Goal = 'up' | 'down' | 'either'

const ACKNOWLEDGED_MS = 40_000
const AGAIN_MS = 50

/** To whom orders are given. */
export interface Ordered {
  readonly api: ApiClient
  /** Of a desktop, by its number. */
  readonly name: (desktop: number) => string
  /** A user opens her desktop and leaves at once. */
  readonly visit: (name: string) => Promise<void>
}

/** Gives orders as administrators and users do, and keeps what was acknowledged. */
export class Orders {
  /** Numbers of wishes that the api has vouched for. */
  readonly wishes = new Set<number>()
  readonly goals = new Map<string, Goal>()
  readonly blocked = new Map<string, boolean>()
  readonly tags = new Map<string, string>()
  readonly notes = new Map<string, string>()
  readonly #ordered: Ordered
  readonly #acknowledgedMs: number
  /** Those for one desktop are given one after the other: the last that is acknowledged is the last. */
  readonly #turns = new Map<string, Promise<unknown>>()
  #count = 0

  /** @param acknowledgedMs within so long every order is, or something is wrong. */
  constructor(ordered: Ordered, acknowledgedMs = ACKNOWLEDGED_MS) {
    this.#ordered = ordered
    this.#acknowledgedMs = acknowledgedMs
  }

  /** Resolves when the order was acknowledged. @throws Error when it never is. */
  async give({ kind, desktop, afterMs }: Order): Promise<void> {
    await sleep(afterMs)
    const name = this.#ordered.name(desktop)
    const turn = (this.#turns.get(name) ?? Promise.resolve()).then(() => this.#give(kind, name))
    this.#turns.set(
      name,
      turn.catch(() => {}),
    )
    await turn
  }

  async #give(kind: Order['kind'], name: string): Promise<void> {
    const { api } = this.#ordered
    const path = `/v1/desktops/${name}`
    const word = String(++this.#count)
    switch (kind) {
      case 'start':
      case 'stop': {
        const wish = { kind: kind === 'start' ? 'run' : 'stop', reason: `chaos ${word}` }
        const { number } = (await this.#acknowledged(() => api.post(`${path}/wishes`, wish))) as {
          number: number
        }
        this.wishes.add(number)
        this.goals.set(name, kind === 'start' ? 'up' : 'down')
        return
      }
      case 'block':
      case 'unblock': {
        const blocked = kind === 'block'
        await this.#acknowledged(() => api.post(`${path}/blocked`, { blocked }))
        this.blocked.set(name, blocked)
        return
      }
      case 'tag': {
        const tag = this.tags.get(name) === 'head' ? 'default' : 'head'
        await this.#acknowledged(() => api.patch(path, { di_tag: tag }))
        this.tags.set(name, tag)
        return
      }
      case 'note':
        await this.#acknowledged(() => api.post(`${path}/properties`, { set: { chaos: word } }))
        this.notes.set(name, word)
        return
      case 'disconnect':
        await this.#acknowledged(() => api.post(`${path}/disconnect`, {}))
        return
      case 'connect':
        await this.#visit(name)
    }
  }

  /** A user opens her desktop and leaves at once. The door may refuse her, or die under her. */
  async #visit(name: string): Promise<void> {
    try {
      await this.#ordered.visit(name)
    } catch {
      // What came of it is not known.
    }
    // She gets in also where a stop is already wished for that nobody has begun with.
    if (this.goals.get(name) !== 'up') this.goals.set(name, 'either')
  }

  /** Asks again until there is an answer: what is then said counts, however often it was asked. */
  async #acknowledged(ask: () => Promise<unknown>): Promise<unknown> {
    const end = performance.now() + this.#acknowledgedMs
    for (;;) {
      try {
        return await ask()
      } catch (error) {
        if (performance.now() > end) throw new Error('an order was never acknowledged', { cause: error })
        await sleep(AGAIN_MS)
      }
    }
  }
}
