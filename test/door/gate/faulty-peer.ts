import type { Duplex } from 'node:stream'
import type { Socket } from 'node:net'
import type { Seeded } from './seeded.ts'

/** What a peer does when it comes to the byte at which it goes wrong. */
export const FAULTS = ['reset', 'stall', 'half-close', 'flood', 'garbage', 'close'] as const
export type FaultKind = (typeof FAULTS)[number]

const FLOOD = Buffer.alloc(300_000, 0xff)
const STALL_MS = 40

/**
 * Says its part up to a byte and then goes wrong. It is gone for good some time later, whatever the other does.
 * @param reset destroys the connection so that the other side gets an RST.
 */
export function goWrong(
  peer: Duplex,
  kind: FaultKind,
  spoken: Buffer,
  reset: () => void,
  random: Seeded,
): void {
  if (peer.destroyed) return
  // In two pieces: what comes in one may be read as one.
  const middle = random.below(spoken.length + 1)
  if (middle > 0) peer.write(spoken.subarray(0, middle))
  if (middle < spoken.length) peer.write(spoken.subarray(middle))
  const leave = (): void => void peer.destroy()
  switch (kind) {
    case 'reset':
      return void setImmediate(reset)
    case 'close':
      return void setImmediate(leave)
    case 'stall':
      peer.pause()
      break
    case 'half-close':
      peer.end()
      break
    case 'flood':
      for (let i = 0; i < 4; i++) peer.write(FLOOD)
      break
    case 'garbage':
      peer.write(random.bytes(1 + random.below(2_000)))
  }
  setTimeout(leave, STALL_MS + random.below(STALL_MS))
}

/** A peer in order: takes what comes, sends back some of it, and closes when the other does. */
export function behave(peer: Socket | Duplex, answer: Buffer): void {
  let answered = false
  peer.on('error', () => peer.destroy())
  peer.on('data', () => {
    if (answered || peer.writableEnded) return
    answered = true
    peer.write(answer)
  })
  peer.on('end', () => peer.end())
  peer.resume()
}
