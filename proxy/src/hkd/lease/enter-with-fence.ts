import { monotonicMs } from '@ostler/kit/monotonic.ts'
import type { HostClocks } from '../../model/host-lease.ts'
import { enterService, hostState, type PeerPlace } from '../../store/host-service.ts'
import type { Db } from '../../store/open.ts'

export interface Entrance {
  readonly db: Db
  readonly hostId: number
  readonly fence: {
    readonly set: (until: number) => Promise<unknown>
    readonly close: () => Promise<unknown>
  }
  readonly place: PeerPlace
  readonly clocks: HostClocks
}

const IN_SERVICE: readonly string[] = ['starting', 'running', 'stopping']

/**
 * Brings a node into service: the fence holds before others watch. One that was in service has the time that it had until its first
 * tick, and one that was lost comes back without desktops.
 * @throws what keeps it from the database or the fence, or a desktop from its end.
 */
export async function enterWithFence({ db, hostId, fence, place, clocks }: Entrance): Promise<void> {
  for (;;) {
    const state = await hostState(db, hostId)
    if (state === 'lost') await fence.close()
    if (!IN_SERVICE.includes(state)) await fence.set(monotonicMs() + clocks.leaseMs)
    if (await enterService(db, hostId, state, place, clocks)) return
  }
}
