import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'

const EVERY_MS = 10
/** What a service says when it has noticed that something is wrong, or has come back. */
const NOTICED = /"level":"(?:warn|error)"|"message":"(?:node ready|door open|api ready|yard ready|stopping)"/

/** Listens to what services write, until one notices something. */
export class ServiceWords implements Disposable {
  readonly #files: Map<string, number>
  readonly #timer: NodeJS.Timeout
  readonly #began = performance.now()
  #noticedMs: number | undefined

  /** @param files that services write to. */
  constructor(files: readonly string[]) {
    this.#files = new Map(files.map((file) => [file, statSync(file, { throwIfNoEntry: false })?.size ?? 0]))
    this.#timer = setInterval(() => this.#read(), EVERY_MS)
  }

  /** Milliseconds until the first word about it; `undefined`: nobody said anything. */
  get noticedMs(): number | undefined {
    return this.#noticedMs
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #read(): void {
    if (this.#noticedMs !== undefined) return clearInterval(this.#timer)
    for (const [file, from] of this.#files) {
      const { text, size } = readFrom(file, from)
      this.#files.set(file, size)
      if (NOTICED.test(text)) this.#noticedMs ??= performance.now() - this.#began
    }
  }
}

/** The rest of a file, which begins anew when its service does. */
function readFrom(file: string, from: number): { text: string; size: number } {
  try {
    const open = openSync(file, 'r')
    try {
      const { size } = fstatSync(open)
      const start = size < from ? 0 : from
      const buffer = Buffer.alloc(size - start)
      readSync(open, buffer, 0, buffer.length, start)
      return { text: buffer.toString('latin1'), size }
    } finally {
      closeSync(open)
    }
  } catch {
    return { text: '', size: from }
  }
}
