import { readdirSync, readFileSync } from 'node:fs'

/** Open descriptors of a process. */
export function descriptors(pid: number | 'self'): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** Resident memory in KB. */
export function residentKb(pid: number | 'self'): number {
  const [, kb] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kb ?? 0)
}

/** Samples of memory over connections; the first half is warming up. */
export class MemorySlope {
  readonly #samples: { connections: number; kb: number }[] = []

  note(connections: number, kb: number): void {
    this.#samples.push({ connections, kb })
  }

  /** KB per connection over the second half: the slope of the straight line closest to the samples. */
  get kbPerConnection(): number {
    const late = this.#samples.slice(this.#samples.length >> 1)
    const mean = (of: (sample: { connections: number; kb: number }) => number): number =>
      late.reduce((sum, sample) => sum + of(sample), 0) / late.length
    const [x, y] = [mean((sample) => sample.connections), mean((sample) => sample.kb)]
    const [xy, xx] = [
      mean((sample) => (sample.connections - x) * (sample.kb - y)),
      mean((sample) => (sample.connections - x) ** 2),
    ]
    return xx === 0 ? 0 : xy / xx
  }

  /** All of it in words. */
  told(): string {
    const all = this.#samples.map(({ connections, kb }) => `${connections}: ${(kb / 1024).toFixed(0)} MB`)
    return `${all.join(', ')}; slope of the second half ${this.kbPerConnection.toFixed(3)} KB per connection`
  }
}
