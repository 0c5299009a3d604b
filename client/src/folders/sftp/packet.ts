import type { Stats } from 'node:fs'
import { ATTR_FLAG, Refusal, STATUS } from './protocol.ts'

/** Attributes that a request sets; what is missing stays. */
export interface Wanted {
  readonly size?: number
  readonly owner?: { readonly uid: number; readonly gid: number }
  /** Permissions without the bits that lend somebody's identity. */
  readonly mode?: number
  readonly times?: { readonly accessed: number; readonly modified: number }
}

/** Reads the fields of one request. @throws Refusal `badMessage` when there is less than it says. */
export class PacketReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#step(1))
  }

  number(): number {
    return this.#bytes.readUInt32BE(this.#step(4))
  }

  /** A number of 64 bits; the largest that a file can have is less than what is exact here. */
  large(): number {
    return Number(this.#bytes.readBigUInt64BE(this.#step(8)))
  }

  /** Bytes with their length before them; a view of the packet. */
  bytes(): Buffer {
    const length = this.number()
    const from = this.#step(length)
    return this.#bytes.subarray(from, from + length)
  }

  attributes(): Wanted {
    const flags = this.number()
    const has = (flag: number): boolean => (flags & flag) !== 0
    return {
      ...(has(ATTR_FLAG.size) ? { size: this.large() } : {}),
      ...(has(ATTR_FLAG.owner) ? { owner: { uid: this.number(), gid: this.number() } } : {}),
      ...(has(ATTR_FLAG.permissions) ? { mode: this.number() & 0o777 } : {}),
      ...(has(ATTR_FLAG.times) ? { times: { accessed: this.number(), modified: this.number() } } : {}),
    }
  }

  #step(length: number): number {
    const from = this.#at
    if (from + length > this.#bytes.length) throw new Refusal(STATUS.badMessage)
    this.#at += length
    return from
  }
}

/** Writes answers one after the other, to be sent together. */
export class PacketWriter {
  #bytes = Buffer.allocUnsafe(1 << 19)
  #at = 0
  #begin = 0

  /** The bytes of all packets since the last `clear`; good until the next packet. */
  get written(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  clear(): void {
    this.#at = 0
  }

  /** Begins a packet, of which `id` is `undefined` for the very first answer alone. */
  begin(kind: number, id: number | undefined): this {
    this.#begin = this.#at
    this.number(0).byte(kind)
    return id === undefined ? this : this.number(id)
  }

  end(): void {
    this.#bytes.writeUInt32BE(this.#at - this.#begin - 4, this.#begin)
  }

  /** Forgets the packet that was begun: it came to nothing. */
  undo(): void {
    this.#at = this.#begin
  }

  byte(value: number): this {
    this.#room(1)
    this.#at = this.#bytes.writeUInt8(value, this.#at)
    return this
  }

  number(value: number): this {
    this.#room(4)
    this.#at = this.#bytes.writeUInt32BE(value >>> 0, this.#at)
    return this
  }

  large(value: number): this {
    this.#room(8)
    this.#at = this.#bytes.writeBigUInt64BE(BigInt(Math.max(0, Math.trunc(value))), this.#at)
    return this
  }

  bytes(value: Buffer): this {
    this.number(value.length).#room(value.length)
    this.#at += value.copy(this.#bytes, this.#at)
    return this
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value))
  }

  /** Bytes that `fill` puts into place itself. @param fill returns how many there are, `most` or fewer. */
  filled(most: number, fill: (place: Buffer) => number): this {
    this.#room(4 + most)
    const from = this.#at + 4
    const length = fill(this.#bytes.subarray(from, from + most))
    this.number(length)
    this.#at += length
    return this
  }

  attributes(of: Stats): this {
    this.number(ATTR_FLAG.size | ATTR_FLAG.owner | ATTR_FLAG.permissions | ATTR_FLAG.times)
    this.large(of.size).number(of.uid).number(of.gid).number(of.mode)
    return this.number(seconds(of.atimeMs)).number(seconds(of.mtimeMs))
  }

  #room(length: number): void {
    if (this.#at + length <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(2 * (this.#at + length))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}

/** Times are 32 bits on this wire. */
function seconds(ms: number): number {
  return Math.min(0xffff_ffff, Math.max(0, Math.floor(ms / 1_000)))
}
