/** Whose row, and which desktop, a first sign-in makes. */
export interface FirstDesktop {
  readonly tenantId: number
  readonly login: string
  /** `undefined`: she needs no desktop. */
  readonly flavourId: number | undefined
  readonly diTag: string
  /** The first that nobody has becomes the desktop's. */
  readonly names: readonly string[]
}

/** What came of it; nothing was written unless it is `made`. */
export type Provided = 'there' | 'made' | 'unknownFlavour' | 'namesTaken' | 'addressesTaken' | 'quotaReached'
