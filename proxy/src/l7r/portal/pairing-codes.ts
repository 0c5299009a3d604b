import { createHash, randomBytes, randomInt } from 'node:crypto'

/** No vowels, so that no words come up; none of the letters that look like digits. */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ'
const LENGTH = 8
const HALF = LENGTH / 2

/** The codes of one pairing: one stays in the device, the other one its user reads there and types at the portal. */
export interface PairingCodes {
  readonly deviceCode: string
  /** As it is shown: `XXXX-XXXX`. */
  readonly userCode: string
}

export function makePairingCodes(): PairingCodes {
  const letters = Array.from({ length: LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join('')
  return {
    deviceCode: randomBytes(32).toString('base64url'),
    userCode: `${letters.slice(0, HALF)}-${letters.slice(HALF)}`,
  }
}

/** What is kept of a device's code. */
export function deviceDigest(deviceCode: string): Buffer {
  return createHash('sha256').update(`device:${deviceCode}`).digest()
}

/**
 * What is kept of a user's code. Small letters, spaces and dashes anywhere are as good.
 * @returns `undefined` for what cannot be a code.
 */
export function userDigest(typed: string): Buffer | undefined {
  const letters = typed.toUpperCase().replace(/[\s-]/g, '')
  if (!new RegExp(`^[${LETTERS}]{${LENGTH}}$`).test(letters)) return undefined
  return createHash('sha256').update(`user:${letters}`).digest()
}
