interface Event {
  readonly at: number
  readonly order: number
  readonly act: () => void
}

/** Things to come, in the order of their time: a heap. */
export class EventQueue {
  readonly #heap: Event[] = []
  #order = 0
  #now = 0

  /** The time of what happens now, in milliseconds. */
  get now(): number {
    return this.#now
  }

  get size(): number {
    return this.#heap.length
  }

  after(ms: number, act: () => void): void {
    const heap = this.#heap
    const event = { at: this.#now + ms, order: this.#order++, act }
    let place = heap.push(event) - 1
    for (let above = (place - 1) >> 1; place > 0 && isBefore(event, heap[above]); above = (place - 1) >> 1) {
      heap[place] = heap[above] as Event
      place = above
    }
    heap[place] = event
  }

  /** Lets everything happen, also what comes of it. */
  drain(): void {
    for (let event = this.#take(); event !== undefined; event = this.#take()) {
      this.#now = event.at
      event.act()
    }
  }

  #take(): Event | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let place = 0
    for (;;) {
      const left = 2 * place + 1
      const smaller = isBefore(heap[left + 1], heap[left]) ? left + 1 : left
      const below = heap[smaller]
      if (below === undefined || !isBefore(below, last)) break
      heap[place] = below
      place = smaller
    }
    heap[place] = last
    return first
  }
}

function isBefore(one: Event | undefined, other: Event | undefined): boolean {
  if (one === undefined) return false
  if (other === undefined) return true
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}
