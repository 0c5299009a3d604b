import { Fault } from '../fault.ts'

/**
 * What goes over a stream of USB/IP once a device is imported (usb/usbip_protocol, version 1.1.1): the desktop's kernel sends
 * requests for transfers (URBs) and takes them back, the device's answers. Each begins with a header of 48 bytes, big endian.
 */
export const HEADER_BYTES = 48
const COMMANDS = { submit: 1, unlink: 2, submitted: 3, unlinked: 4 } as const
/** Requests and answers of isochronous transfers end with so many bytes for each packet. */
export const PACKET_BYTES = 16
/** Most packets of a transfer that the kernel takes (`USBIP_MAX_ISO_PACKETS`). */
const MAX_PACKETS = 1_024
/** Longest transfer: what Linux lets programs ask for at most (`usbfs_memory_mb`). */
const MAX_TRANSFER = 16 << 20

/** A request for a transfer. */
export interface Submit {
  readonly kind: 'submit'
  readonly number: number
  /** `in` brings bytes from the device. */
  readonly way: 'in' | 'out'
  readonly endpoint: number
  /** Bytes that are sent, or may come at most. */
  readonly length: number
  /** Of an isochronous transfer; 0: it is none. */
  readonly packets: number
  /** The eight bytes of a control transfer. */
  readonly setup: Buffer
}

/** A request that an earlier one be taken back. */
export interface Unlink {
  readonly kind: 'unlink'
  readonly number: number
  readonly victim: number
}

/** The answer to a `Submit`. */
export interface Submitted {
  readonly kind: 'submitted'
  readonly number: number
  /** 0, or a negative number of Linux. */
  readonly status: number
  /** Bytes that came or were sent. */
  readonly length: number
  readonly packets: number
}

/** The answer to an `Unlink`. */
export interface Unlinked {
  readonly kind: 'unlinked'
  readonly number: number
  /** -104 (`ECONNRESET`): it was taken back; 0: it had been answered already. */
  readonly status: number
}

/** Reads the header of a request. @throws Fault `usb.malformed`. */
export function decodeRequest(header: Buffer): Submit | Unlink {
  const command = header.readUInt32BE()
  const number = header.readUInt32BE(4)
  if (command === COMMANDS.unlink) return { kind: 'unlink', number, victim: header.readUInt32BE(20) }
  if (command !== COMMANDS.submit) throw malformed(`a request ${command}`)
  const [way, endpoint] = [header.readUInt32BE(12), header.readUInt32BE(16)]
  if (way > 1) throw malformed(`a direction ${way}`)
  if (endpoint > 15) throw malformed(`an endpoint ${endpoint}`)
  return {
    kind: 'submit',
    number,
    way: way === 1 ? 'in' : 'out',
    endpoint,
    length: lengthAt(header, 24),
    packets: packetsAt(header, 32),
    setup: Buffer.from(header.subarray(40)),
  }
}

/** Reads the header of an answer. @throws Fault `usb.malformed`. */
export function decodeAnswer(header: Buffer): Submitted | Unlinked {
  const command = header.readUInt32BE()
  const number = header.readUInt32BE(4)
  const status = header.readInt32BE(20)
  if (command === COMMANDS.unlinked) return { kind: 'unlinked', number, status }
  if (command !== COMMANDS.submitted) throw malformed(`an answer ${command}`)
  return { kind: 'submitted', number, status, length: lengthAt(header, 24), packets: packetsAt(header, 32) }
}

/** The header of an answer; the bytes that came follow it. */
export function encodeAnswer(answer: Submitted | Unlinked): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32BE(COMMANDS[answer.kind])
  header.writeUInt32BE(answer.number, 4)
  header.writeInt32BE(answer.status, 20)
  if (answer.kind === 'unlinked') return header
  header.writeInt32BE(answer.length, 24)
  header.writeInt32BE(answer.packets, 32)
  return header
}

function lengthAt(header: Buffer, at: number): number {
  const length = header.readUInt32BE(at)
  if (length > MAX_TRANSFER) throw malformed(`a transfer of ${length} bytes`)
  return length
}

/** Kernels write 0 or -1 for what is not isochronous. */
function packetsAt(header: Buffer, at: number): number {
  const packets = header.readInt32BE(at)
  if (packets === -1) return 0
  if (packets < 0 || packets > MAX_PACKETS) throw malformed(`${packets} packets`)
  return packets
}

export function malformed(problem: string): Fault {
  return new Fault('usb.malformed', { problem })
}
