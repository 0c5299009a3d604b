/** What somebody wants of a desktop, highest precedence first. */
export const WISH_KINDS = ['fence', 'block', 'maintenance', 'stop', 'expire', 'run', 'spare'] as const
export type WishKind = (typeof WISH_KINDS)[number]

/** A row that anyone may add and nobody overwrites. */
export interface Wish {
  /** Grows with time. */
  readonly number: number
  readonly kind: WishKind
  readonly by: string
  readonly reason: string
  /** The id of the client's connection by which it came; absent or null: by none. */
  readonly connection?: string | null
  /** A user waits for it. */
  readonly interactive?: boolean
  /** It stays when a start fails, and is tried again by itself. */
  readonly persistent?: boolean
  /** ISO 8601. */
  readonly at: string
}

/** What all open wishes together come to. */
export interface MergedWish<W> {
  readonly goal: 'up' | 'down'
  /** The wish that decided. */
  readonly wish: W
}

const GOAL: Readonly<Record<WishKind, 'up' | 'down'>> = {
  fence: 'down',
  block: 'down',
  maintenance: 'down',
  stop: 'down',
  expire: 'down',
  run: 'up',
  spare: 'up',
}

/** Merges open wishes by precedence; among equals the newest speaks. `undefined`: leave it as it is. */
export function mergeWishes<W extends Pick<Wish, 'number' | 'kind'>>(
  wishes: readonly W[],
): MergedWish<W> | undefined {
  const [first] = [...wishes].sort(
    (a, b) => WISH_KINDS.indexOf(a.kind) - WISH_KINDS.indexOf(b.kind) || b.number - a.number,
  )
  return first === undefined ? undefined : { goal: GOAL[first.kind], wish: first }
}

/** Wishes that are for one event and done with it, unlike a block, which lasts until it is lifted. */
export const ONE_TIME_WISHES: Readonly<Record<'up' | 'down', readonly WishKind[]>> = {
  up: ['run', 'spare'],
  down: ['maintenance', 'stop', 'expire'],
}

/** A wish to try a failed desktop anew. It has no goal: it only takes back that nobody but an administrator starts it. */
export const RESET_WISH = 'reset'

/** True for a wish to run that outlives a start that failed. */
export function isPersistent(wish: Pick<Wish, 'kind' | 'persistent'>): boolean {
  return wish.kind === 'spare' || wish.persistent === true
}
