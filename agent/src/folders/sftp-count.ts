import { Fault } from '@ostler/contract/fault.ts'

/** Longest packet of OpenSSH, and of sshfs. */
const MAX_PACKET = 256 * 1024

/** Counts the packets that go one way: each begins with its length in four bytes, big endian. */
export class SftpCount {
  readonly #length = Buffer.alloc(4)
  #lengthFilled = 0
  #missing = 0
  #begun = 0

  /** How many packets have begun. */
  get begun(): number {
    return this.#begun
  }

  /** @throws Fault `folder.malformed` for a length that no packet has. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#missing > 0) {
        const taken = Math.min(this.#missing, chunk.length - at)
        this.#missing -= taken
        at += taken
        continue
      }
      this.#length[this.#lengthFilled] = chunk[at] ?? 0
      this.#lengthFilled += 1
      at += 1
      if (this.#lengthFilled < 4) continue
      this.#lengthFilled = 0
      this.#missing = this.#length.readUInt32BE()
      if (this.#missing === 0 || this.#missing > MAX_PACKET)
        throw new Fault('folder.malformed', { problem: `a packet of ${this.#missing} bytes` })
      this.#begun += 1
    }
  }
}
