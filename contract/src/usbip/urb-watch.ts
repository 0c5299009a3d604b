import { type Duplex, Transform } from 'node:stream'
import type { Fault } from '../fault.ts'
import { type UsbDevice, usbName } from './device.ts'
import {
  decodeAnswer,
  decodeRequest,
  HEADER_BYTES,
  malformed,
  PACKET_BYTES,
  type Submit,
  type Submitted,
} from './urbs.ts'

/** What a reader of a stream wants next: so many bytes to look at, or that so many go by. */
interface Wanted {
  readonly look: boolean
  readonly bytes: number
}
type Reading = Generator<Wanted, never, Buffer>

/** More than a kernel ever has open with one device. */
const MAX_OPEN = 4_096
/** `GET_DESCRIPTOR` of the device itself (USB 2.0, 9.4.3), and how much of the answer tells who it is (9.6.1). */
const GET_DEVICE_DESCRIPTOR = Buffer.from([0x80, 6, 0, 1])
const VENDOR_AT = 8
const IDENTITY_BYTES = 12

/**
 * Stands between the two kernels of a device: looks at every header and length before the other end gets it, and passes all
 * bytes on as they are. An answer must be one to a request that is open, and bring no more than was asked for. A device that
 * describes itself as another one than was announced is no good: rules go by what it was announced as.
 */
export class UrbWatch {
  readonly #announced: Pick<UsbDevice, 'vendor' | 'product'>
  readonly #open = new Map<number, Submit>()
  /** Requests to take something back, with what they would have taken back. */
  readonly #unlinks = new Map<number, number>()
  readonly #requests: Pieces
  readonly #answers: Pieces

  constructor(announced: Pick<UsbDevice, 'vendor' | 'product'>) {
    this.#announced = announced
    this.#requests = new Pieces(this.#readRequests())
    this.#answers = new Pieces(this.#readAnswers())
  }

  /** How many requests have no answer yet. */
  get open(): number {
    return this.#open.size + this.#unlinks.size
  }

  /** Passes what the desktop's kernel says; fails with Fault `usb.malformed`. */
  requests(): Transform {
    return passing(this.#requests)
  }

  /** Passes what the device's side answers; fails with Fault `usb.malformed`. */
  answers(): Transform {
    return passing(this.#answers)
  }

  *#readRequests(): Reading {
    for (;;) {
      const request = decodeRequest(yield look(HEADER_BYTES))
      if (this.#open.has(request.number) || this.#unlinks.has(request.number))
        throw malformed(`a second request ${request.number}`)
      if (this.open >= MAX_OPEN) throw malformed(`more than ${MAX_OPEN} open requests`)
      if (request.kind === 'unlink') {
        this.#unlinks.set(request.number, request.victim)
        continue
      }
      this.#open.set(request.number, request)
      if (request.way === 'out') yield skip(request.length)
      if (request.packets > 0) requirePackets(yield look(request.packets * PACKET_BYTES), request.length)
    }
  }

  *#readAnswers(): Reading {
    for (;;) {
      const answer = decodeAnswer(yield look(HEADER_BYTES))
      if (answer.kind === 'unlinked') {
        const victim = this.#unlinks.get(answer.number)
        if (victim === undefined) throw malformed(`an answer to request ${answer.number}, which is not open`)
        this.#unlinks.delete(answer.number)
        // Taken back or answered before: nothing more comes for it (stub_tx.c sends answers first).
        this.#open.delete(victim)
        continue
      }
      const submit = this.#open.get(answer.number)
      if (submit === undefined) throw malformed(`an answer to request ${answer.number}, which is not open`)
      yield* this.#readContent(submit, answer)
      this.#open.delete(answer.number)
    }
  }

  *#readContent(submit: Submit, { number, length, packets }: Submitted): Generator<Wanted, void, Buffer> {
    if (length > submit.length)
      throw malformed(`${length} bytes for request ${number}, which asks for ${submit.length}`)
    if (packets !== submit.packets)
      throw malformed(`${packets} packets for request ${number}, which asks for ${submit.packets}`)
    if (submit.way === 'in') {
      const kept = isAboutDevice(submit) ? Math.min(length, IDENTITY_BYTES) : 0
      if (kept > 0) this.#requireAnnounced(yield look(kept))
      yield skip(length - kept)
    }
    if (packets > 0) requirePackets(yield look(packets * PACKET_BYTES), submit.length)
  }

  #requireAnnounced(descriptor: Buffer): void {
    if (descriptor.length < IDENTITY_BYTES) return // the first 8 bytes, which tell the size of its packets
    const [vendor, product] = [VENDOR_AT, VENDOR_AT + 2].map((at) => descriptor.readUInt16LE(at)) as [
      number,
      number,
    ]
    const { vendor: wanted, product: wantedProduct } = this.#announced
    if (vendor !== wanted || product !== wantedProduct)
      throw malformed(`${usbName(this.#announced)} says that it is ${usbName({ vendor, product })}`)
  }
}

/**
 * Carries one way from a device's side to the kernel's, or back, through a watch.
 * @param over is called when that has ended, with why it failed; it may be called again.
 */
export function carryUrbs(
  from: Duplex,
  through: Transform,
  to: Duplex,
  over: (why: Error | undefined) => void,
): void {
  through.on('error', over)
  from.once('end', () => over(undefined))
  from.once('close', () => over(from.errored ?? undefined))
  from.pipe(through).pipe(to)
}

/** Takes bytes as they come, however they are cut, and gives a reader what it wants. */
class Pieces {
  readonly #reading: Reading
  #wanted: Wanted
  #missing: number
  #kept: Buffer[] = []

  constructor(reading: Reading) {
    this.#reading = reading
    this.#wanted = reading.next().value
    this.#missing = this.#wanted.bytes
  }

  push(chunk: Buffer): void {
    for (let rest = chunk; rest.length > 0;) {
      const taken = rest.subarray(0, this.#missing)
      rest = rest.subarray(taken.length)
      this.#missing -= taken.length
      if (this.#wanted.look) this.#kept.push(taken)
      while (this.#missing === 0) {
        this.#wanted = this.#reading.next(Buffer.concat(this.#kept.splice(0))).value
        this.#missing = this.#wanted.bytes
      }
    }
  }
}

/** A stream that passes everything that its reader does not refuse; of a refused piece nothing. */
function passing(pieces: Pieces): Transform {
  return new Transform({
    transform: (chunk: Buffer, _, done) => {
      try {
        pieces.push(chunk)
      } catch (error) {
        return done(error as Fault)
      }
      done(null, chunk)
    },
  })
}

function look(bytes: number): Wanted {
  return { look: true, bytes }
}

function skip(bytes: number): Wanted {
  return { look: false, bytes }
}

function isAboutDevice({ endpoint, setup }: Submit): boolean {
  return endpoint === 0 && setup.subarray(0, GET_DEVICE_DESCRIPTOR.length).equals(GET_DEVICE_DESCRIPTOR)
}

/** Each packet tells where it lies in the transfer, how long it may be, and how long it is. */
function requirePackets(packets: Buffer, length: number): void {
  for (let at = 0; at < packets.length; at += PACKET_BYTES) {
    const [offset, size, actual] = [0, 4, 8].map((by) => packets.readUInt32BE(at + by)) as [
      number,
      number,
      number,
    ]
    if (offset + size > length || actual > size) throw malformed(`a packet beyond its ${length} bytes`)
  }
}
