import type { BackOff } from './back-off.ts'
import { isPersistent, ONE_TIME_WISHES, type Wish } from './wish.ts'

/** When a start that failed is tried again by itself, and when no more. */
export interface RetryRules extends BackOff {
  /** After so many failures in a row somebody must say otherwise. */
  readonly failuresMax: number
}

/** Whether a desktop whose last start failed may start. */
export type Retry =
  | { readonly kind: 'now' }
  /** It is tried again by itself. */
  | { readonly kind: 'later'; readonly inMs: number }
  /** Only an administrator starts it. */
  | { readonly kind: 'never' }

/**
 * Says whether a failed desktop that is wished up may start. An administrator's order always counts; a user's until it
 * failed too often; what only wishes by itself waits for its time. Pure.
 * @param nextTryInMs what is left of the wait; negative or null: nothing.
 */
export function retryOf(
  desktop: {
    readonly failures: number
    readonly nextTryInMs: number | null
    readonly wishes: readonly Pick<Wish, 'kind' | 'interactive' | 'persistent'>[]
  },
  { failuresMax }: RetryRules,
): Retry {
  const up = desktop.wishes.filter(({ kind }) => ONE_TIME_WISHES.up.includes(kind))
  if (up.some((wish) => !isPersistent(wish) && wish.interactive !== true)) return { kind: 'now' }
  if (desktop.failures >= failuresMax) return { kind: 'never' }
  const inMs = desktop.nextTryInMs ?? 0
  if (inMs <= 0 || up.some((wish) => !isPersistent(wish))) return { kind: 'now' }
  return { kind: 'later', inMs }
}
