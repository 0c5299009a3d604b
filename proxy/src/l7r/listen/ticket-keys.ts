import { randomBytes } from 'node:crypto'

/** One of Node's keys for session tickets: 16 bytes of name, 16 of HMAC, 16 of AES. */
const KEY_BYTES = 48
const NAME_BYTES = 16
/** The newest seals; tickets of the others are still taken. */
const KEPT = 3

/** Keys under which the door seals TLS sessions so that clients take them up again, at whichever worker. */
export interface TicketKeys {
  /** Newest first. */
  current(): readonly Buffer[]
  /** Calls when they have changed. */
  onChange(call: () => void): void
}

/** The name by which a ticket says under which key it was sealed, hex. */
export function keyName(key: Buffer): string {
  return key.toString('hex', 0, NAME_BYTES)
}

/** The keys after the next rotation: the oldest opens nothing any more. */
export function rotated(keys: readonly Buffer[]): Buffer[] {
  return [randomBytes(KEY_BYTES), ...keys].slice(0, KEPT)
}

/** Keys that are kept elsewhere and taken over from there. */
export class TakenKeys implements TicketKeys {
  #keys: readonly Buffer[] = rotated([])
  readonly #calls: (() => void)[] = []

  current(): readonly Buffer[] {
    return this.#keys
  }

  onChange(call: () => void): void {
    this.#calls.push(call)
  }

  take(keys: readonly Buffer[]): void {
    this.#keys = keys
    for (const call of this.#calls) call()
  }
}
