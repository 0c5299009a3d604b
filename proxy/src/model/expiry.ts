/** When a running desktop expires, in milliseconds from now; negative: since. */
export interface ExpiryFacts {
  readonly softInMs: number | null
  readonly hardInMs: number | null
  /** How long ago its user was told; `null`: not yet. */
  readonly toldAgoMs: number | null
}

/** What is due, and after how many milliseconds to look again. */
export interface ExpiryStep {
  readonly due: 'tell' | 'end' | undefined
  readonly lookInMs: number
}

/**
 * Says what the expiry of a desktop demands now. Its user is told at the soft time and then every `remindMs`, until the
 * desktop has been started anew; at the hard time it is ended (C-117). Pure.
 */
export function expiryStep({ softInMs, hardInMs, toldAgoMs }: ExpiryFacts, remindMs: number): ExpiryStep {
  const hard = hardInMs ?? Infinity
  if (hard <= 0) return { due: 'end', lookInMs: Infinity }
  if (softInMs === null) return { due: undefined, lookInMs: hard }
  const tellIn = Math.max(softInMs, toldAgoMs === null ? -Infinity : remindMs - toldAgoMs)
  if (tellIn <= 0) return { due: 'tell', lookInMs: Math.min(hard, remindMs) }
  return { due: undefined, lookInMs: Math.min(hard, tellIn) }
}
