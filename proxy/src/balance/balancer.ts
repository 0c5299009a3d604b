import type { HostLoad } from '../model/host.ts'

/** What a desktop that is to be placed needs. */
export interface PlaceNeed {
  readonly memoryMb: number
  /** In [0, 1), the same for the same boot: where a balancer throws dice, these are its dice, so that what it did can be repeated. */
  readonly draw?: number
}

/** Chooses a node for a desktop. Pure, so that the live scheduler and a simulation are the same function. */
export interface LoadBalancer {
  readonly name: string
  choose(hosts: readonly HostLoad[], need: PlaceNeed): number | undefined
}

/** Takes the node with most memory left, if the desktop fits there. */
export const leastLoaded: LoadBalancer = {
  name: 'least-loaded',
  choose: (hosts, need) => bestOf(hosts, need, (host) => host.totalMb - host.usedMb),
}

/**
 * Of the nodes that have room for a desktop the one with the highest score; of equals the one with the lowest number. One walk over
 * all of them.
 */
export function bestOf(
  hosts: readonly HostLoad[],
  { memoryMb }: PlaceNeed,
  score: (host: HostLoad) => number,
): number | undefined {
  let best: number | undefined
  let highest = -Infinity
  for (const host of hosts) {
    if (host.totalMb - host.usedMb < memoryMb) continue
    const here = score(host)
    if (here > highest || (here === highest && best !== undefined && host.id < best)) {
      best = host.id
      highest = here
    }
  }
  return best
}
