import type { HostLoad } from '../model/host.ts'

/** Chooses a node for a desktop. Pure, so that the live scheduler and a simulation are the same function. */
export interface LoadBalancer {
  readonly name: string
  choose(hosts: readonly HostLoad[], need: { memoryMb: number }): number | undefined
}

/** Takes the node with most memory left, if the desktop fits there. */
export const leastLoaded: LoadBalancer = {
  name: 'least-loaded',
  choose: (hosts, need) => {
    const [best] = [...hosts].sort((a, b) => b.totalMb - b.usedMb - (a.totalMb - a.usedMb) || a.id - b.id)
    return best !== undefined && best.totalMb - best.usedMb >= need.memoryMb ? best.id : undefined
  },
}
