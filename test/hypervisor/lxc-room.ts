import { findAccount } from '@ostler/kit/passwd.ts'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { DesktopSpec } from '../../proxy/src/hypervisor/hypervisor.ts'
import { processesIn } from '../../proxy/src/hypervisor/lxc/cgroup.ts'
import { lxcHypervisor } from '../../proxy/src/hypervisor/lxc/lxc.ts'
import { bridgedRoom } from './bridged-room.ts'
import { filesInside, mountsBelow, namesIn, quietBundle } from './quiet-guest.ts'
import type { DriverRoom } from './suite.ts'

/** Containers with a quiet init, on a bridge of their own. */
export async function lxcRoom(): Promise<DriverRoom> {
  const { scope, folder, subnet, prefix, layout, network } = await bridgedRoom('lxc', 'or')
  const places = { run: join(folder, 'run'), lxcPath: join(folder, 'lxc') }
  const settings = {
    ...places,
    prefix,
    logs: join(folder, 'logs'),
    images: join(folder, 'images'),
    overlays: join(folder, 'overlays'),
    homes: join(folder, 'homes'),
    bundle: quietBundle(join(folder, 'bundle')),
    network,
    displayGid: findAccount('nobody')?.gid ?? 0,
    cgroups: layout,
    users: { first: 655_360_000, perDesktop: 65_536 },
  }
  const rootless = join(folder, 'no-system')
  mkdirSync(join(rootless, 'sbin'), { recursive: true })
  const spec = (id: number): DesktopSpec => ({
    id,
    name: `desk-${id}`,
    tenantId: 1,
    ownerId: id,
    login: `user${id}`,
    address: `10.3.${subnet}.${10 + (id % 200)}`,
    flavour: { id: 1, memoryMb: 256, cpuPercent: 100, homeMb: 16 },
    image: { name: 'instant', kind: 'instant', path: '/' },
  })
  const payload = (id: number): string => join(layout.counted, 'ostler', `${prefix}${id}`, 'payload')
  const inits = (): string[] =>
    namesIn('group', join(layout.counted, 'ostler'), prefix).flatMap((line) => {
      const [init] = processesIn(join(line.slice('group '.length), 'payload'))
      return init === undefined ? [] : [`process ${init}`]
    })
  return {
    open: () => lxcHypervisor(settings),
    spec,
    broken: (id) => ({ ...spec(id), image: { name: 'no-system', kind: 'directory', path: rootless } }),
    remains: () => [
      ...inits(),
      ...layout.hierarchies.flatMap((hierarchy) => namesIn('group', join(hierarchy, 'ostler'), prefix)),
      ...mountsBelow(folder),
      ...namesIn('device', '/sys/class/net', prefix),
      ...namesIn('files', join(places.run, 'desktops')),
      ...namesIn('files', places.lxcPath),
    ],
    files: filesInside({ fresh: '/etc', home: () => '/home' }, (id) => processesIn(payload(id))[0] ?? 0),
    [Symbol.asyncDispose]: () => scope.close(),
  }
}
