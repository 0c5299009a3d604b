import { Fault } from '@ostler/contract/fault.ts'
import type { SignedIn } from '../auth/sign-in.ts'
import { addPoolClaim, type PoolRow, readPoolClaim, renewPoolClaim } from '../store/pools.ts'
import type { DoorParts, Progress } from './open-desktop.ts'

/** So long a claim outlives the door of whom it is. */
const LEASE_SECONDS = 20
const RENEW_MS = 5_000
/** A lost hint costs this much. */
const TICK_MS = 2_000

/** Whether a pool's desktops are for somebody. Policy may still take away from that. */
export function isEntitled(pool: PoolRow, { tenant, login, groups }: SignedIn): boolean {
  return (
    pool.tenantId === tenant.id &&
    (pool.everyone || pool.logins.includes(login) || groups.some((group) => pool.groups.includes(group)))
  )
}

/**
 * Waits until the pool gives somebody a desktop: her own if she has one, else one that runs and waits, else one that has to be
 * started, else her turn.
 * @returns its number.
 * @throws Fault `pool.refused` with the reason, `pool.full` when it takes too long, or the signal's reason.
 */
export async function awaitPoolDesktop(
  parts: Pick<DoorParts, 'db' | 'news' | 'startMs' | 'log'>,
  pool: PoolRow,
  guest: SignedIn,
  progress: Progress,
  signal: AbortSignal,
): Promise<number> {
  const timeout = AbortSignal.timeout(parts.startMs)
  // Pools and desktops share their numbers: whoever answers a claim hints at the pool's.
  using news = parts.news.listen(pool.id, TICK_MS, AbortSignal.any([signal, timeout]))
  const claim = await addPoolClaim(parts.db, pool.id, guest.user.id, LEASE_SECONDS)
  let renewedAt = performance.now()
  let position = 1
  try {
    for (;;) {
      const state = await readPoolClaim(parts.db, claim)
      if (state.kind === 'given') return state.vmId
      if (state.kind === 'refused') throw new Fault('pool.refused', { pool: pool.name, reason: state.reason })
      position = state.position
      progress(`Waiting for a desktop of ${pool.name}, position ${position}`)
      await news.next().catch((error: unknown) => {
        const seconds = Math.round(parts.startMs / 1_000)
        throw timeout.aborted && !signal.aborted
          ? new Fault('pool.full', { pool: pool.name, position, seconds })
          : error
      })
      if (performance.now() - renewedAt < RENEW_MS) continue
      await renewPoolClaim(parts.db, claim, LEASE_SECONDS)
      renewedAt = performance.now()
    }
  } catch (error) {
    await renewPoolClaim(parts.db, claim, 0).catch((failure: unknown) =>
      parts.log.warn('a claim could not be withdrawn, it ends by itself', { pool: pool.id, error: failure }),
    )
    throw error
  }
}
