import { bestOf, type LoadBalancer } from './balancer.ts'

/** Puts the desktops of one user on one node, as long as there is room; among nodes that have as many of hers, another balancer says. */
export function affinity(otherwise: LoadBalancer): LoadBalancer {
  return {
    name: 'affinity',
    choose: (hosts, need) => {
      const most = Math.max(0, ...hosts.map((host) => host.ofUser ?? 0))
      if (most === 0) return otherwise.choose(hosts, need)
      const theirs = hosts.filter((host) => (host.ofUser ?? 0) > 0)
      return bestOf(theirs, need, (host) => host.ofUser ?? 0) ?? otherwise.choose(hosts, need)
    },
  }
}
