import { findAccount } from '@ostler/kit/passwd.ts'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { DesktopSpec } from '../../proxy/src/hypervisor/hypervisor.ts'
import { processesIn } from '../../proxy/src/hypervisor/lxc/cgroup.ts'
import { lxcHypervisor } from '../../proxy/src/hypervisor/lxc/lxc.ts'
import { housed } from '../../proxy/src/hypervisor/homes/housed.ts'
import { testHome, testHousing } from '../fixtures/home.ts'
import { bridgedRoom } from './bridged-room.ts'
import { filesThrough, mountsBelow, namesIn, quietBundle } from './quiet-guest.ts'
import type { DriverRoom } from './suite.ts'

export interface LxcRoom extends DriverRoom {
  /** `path.storage.homefs` */
  readonly homes: string
}

/** Containers with a quiet init, on a bridge of their own. @param home what they have for homes. */
export async function lxcRoom(home = testHome): Promise<LxcRoom> {
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
  }
  const housing = testHousing({
    ...settings,
    kinds: ['directory', 'image'],
    group: { cgroups: layout, name: `${prefix}homes` },
  })
  const rootless = join(folder, 'no-system')
  mkdirSync(join(rootless, 'sbin'), { recursive: true })
  const spec = (id: number): DesktopSpec => ({
    id,
    epoch: 1,
    name: `desk-${id}`,
    tenantId: 1,
    ownerId: id,
    login: `user${id}`,
    address: `10.3.${subnet}.${10 + (id % 200)}`,
    flavour: { id: 1, memoryMb: 256, cpuPercent: 100 },
    home: home(id),
    image: { id: 1, name: 'instant', kind: 'instant', path: '/' },
  })
  const payload = (id: number): string => join(layout.counted, 'ostler', `${prefix}${id}`, 'payload')
  const inits = (): string[] =>
    namesIn('group', join(layout.counted, 'ostler'), prefix).flatMap((line) => {
      const [init] = processesIn(join(line.slice('group '.length), 'payload'))
      return init === undefined ? [] : [`process ${init}`]
    })
  return {
    homes: settings.homes,
    open: () => housed(lxcHypervisor(settings), housing),
    spec,
    broken: (id) => ({ ...spec(id), image: { id: 1, name: 'no-system', kind: 'directory', path: rootless } }),
    remains: () => [
      ...inits(),
      ...layout.hierarchies.flatMap((hierarchy) => namesIn('group', join(hierarchy, 'ostler'), prefix)),
      ...mountsBelow(folder),
      ...namesIn('device', '/sys/class/net', prefix),
      ...namesIn('files', join(places.run, 'desktops')),
      ...namesIn('files', join(places.run, 'homes')),
      ...namesIn('files', places.lxcPath),
    ],
    files: filesThrough({ fresh: '/etc', home: () => '/home' }, (id) => processesIn(payload(id))[0] ?? 0),
    [Symbol.asyncDispose]: () => scope.close(),
  }
}
