/** Seconds within which a device must be confirmed. */
export const PAIR_SECONDS = 600

/** Seconds that a device waits between two questions. */
export const PAIR_EVERY_SECONDS = 3

/** What a device is told that asks to be paired (`POST /portal/api/pair`). */
export interface PairingStart {
  /** Stays in the device; with it the token is fetched (`POST /portal/api/pair/token`). */
  readonly device_code: string
  /** What the user types at the portal, `XXXX-XXXX`. */
  readonly user_code: string
  /** Where she types it, below the server's address. */
  readonly verification_path: string
  /** Seconds. */
  readonly expires_in: number
  /** Seconds. */
  readonly interval: number
}
