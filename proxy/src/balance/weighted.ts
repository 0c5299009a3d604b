import { bestOf, type LoadBalancer } from './balancer.ts'

/** What QVD's balancer weighs (`l7r.loadbalancer.plugin.default.weight.*`, compatibility page 6.4). */
export interface Weights {
  readonly ram: number
  readonly cpu: number
  readonly random: number
}

/**
 * QVD's balancer: what a node has, weighed, for each desktop that it has and one more, and a little chance. Unlike there, a node must
 * have room, and the dice are the boot's.
 */
export function weighted({ ram, cpu, random }: Weights): LoadBalancer {
  return {
    name: 'default',
    choose: (hosts, need) =>
      bestOf(
        hosts,
        need,
        (host) =>
          (ram * host.totalMb + cpu * (host.cpu ?? 0)) / ((host.desktops ?? 0) + 1) +
          random * dice(need.draw ?? 0, host.id),
      ),
  }
}

/** A number in [0, 1) that follows from a draw, another one for each node (splitmix32). */
function dice(draw: number, id: number): number {
  let state = (Math.floor(draw * 2 ** 32) + Math.imul(id, 0x9e3779b9)) | 0
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
  return ((state ^ (state >>> 16)) >>> 0) / 2 ** 32
}
