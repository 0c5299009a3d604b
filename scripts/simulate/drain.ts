import type { LoadBalancer } from '@ostler/proxy/balance/balancer.ts'
import { drawOf, type HostLoad } from '@ostler/proxy/model/host.ts'
import type { PlacementSnapshot } from '@ostler/proxy/store/placement-snapshot.ts'

/** What would become of a desktop. */
export interface DrainedDesktop {
  readonly id: number
  /** The node where it would go; `undefined`: none has room, or what it needs lies on the drained one alone. */
  readonly to: string | undefined
  readonly bound: boolean
}

/** The memory of a node that is promised, before and after. */
export interface HostChange {
  readonly name: string
  readonly beforeMb: number
  readonly afterMb: number
  readonly totalMb: number
}

/**
 * Says where the desktops of a node would go if it took none any more, one after another, each seeing what those before it have taken.
 * @throws Error when there is no such node.
 */
export function drain(
  snapshot: PlacementSnapshot,
  name: string,
  balancer: LoadBalancer,
): { readonly desktops: readonly DrainedDesktop[]; readonly hosts: readonly HostChange[] } {
  const leaving = snapshot.hosts.find((host) => host.name === name)
  if (leaving === undefined) throw new Error(`there is no node ${name} in the snapshot`)
  const used = new Map(snapshot.hosts.map(({ id }) => [id, 0]))
  const count = new Map(used)
  const put = (hostId: number, memoryMb: number, one: 1 | -1): void => {
    used.set(hostId, (used.get(hostId) ?? 0) + one * memoryMb)
    count.set(hostId, (count.get(hostId) ?? 0) + one)
  }
  for (const { hostId, memoryMb } of snapshot.desktops) put(hostId, memoryMb, 1)
  const before = new Map(used)
  const where = new Map(snapshot.desktops.map(({ id, hostId }) => [id, hostId]))
  const desktops = snapshot.desktops
    .filter(({ hostId }) => hostId === leaving.id)
    .map(({ id, userId, memoryMb, epoch, bound }): DrainedDesktop => {
      if (bound) return { id, bound, to: undefined }
      const theirs = snapshot.desktops.filter((other) => other.userId === userId && other.id !== id)
      const hosts: HostLoad[] = snapshot.hosts
        .filter((host) => host.open && host.id !== leaving.id)
        .map((host) => ({
          ...{ id: host.id, totalMb: host.totalMb, cpu: host.cpu },
          usedMb: used.get(host.id) ?? 0,
          desktops: count.get(host.id) ?? 0,
          ofUser: theirs.filter((other) => where.get(other.id) === host.id).length,
        }))
      const chosen = balancer.choose(hosts, { memoryMb, draw: drawOf({ id, epoch }) })
      if (chosen === undefined) return { id, bound, to: undefined }
      put(leaving.id, memoryMb, -1)
      put(chosen, memoryMb, 1)
      where.set(id, chosen)
      return { id, bound, to: snapshot.hosts.find((host) => host.id === chosen)?.name }
    })
  const hosts = snapshot.hosts.map(({ id, name: host, totalMb }) => ({
    ...{ name: host, totalMb, beforeMb: before.get(id) ?? 0, afterMb: used.get(id) ?? 0 },
  }))
  return { desktops, hosts: hosts.filter(({ beforeMb, afterMb }) => beforeMb !== afterMb) }
}
