import { findAccount } from '@ostler/kit/passwd.ts'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { DesktopSpec } from '../../proxy/src/hypervisor/hypervisor.ts'
import { processesIn } from '../../proxy/src/hypervisor/lxc/cgroup.ts'
import { lxcHypervisor } from '../../proxy/src/hypervisor/lxc/lxc.ts'
import { housed } from '../../proxy/src/hypervisor/homes/housed.ts'
import type { UserNumbers } from '../../proxy/src/hypervisor/lxc/user-range.ts'
import { testHome, testHousing } from '../fixtures/home.ts'
import { bridgedRoom } from './bridged-room.ts'
import { filesInside, mountsBelow, namesIn, quietBundle } from './quiet-guest.ts'
import type { DriverRoom } from './suite.ts'

/** What only containers have. */
export interface LxcRoom extends DriverRoom {
  /** The first process of a desktop that runs, as the node numbers it. */
  init(id: number): number
  /** Where the driver keeps things. */
  readonly places: Record<'run' | 'lxcPath' | 'overlays' | 'homes', string>
}

export const NUMBERS: UserNumbers = { first: 655_360_000, perDesktop: 65_536 }

/**
 * Containers with a quiet init, on a bridge of their own; without `users` their root is the node's.
 * @param home what they have for homes.
 */
export async function lxcRoom(users: UserNumbers | null = NUMBERS, home = testHome): Promise<LxcRoom> {
  const { scope, folder, subnet, prefix, layout, network } = await bridgedRoom('lxc', 'or')
  const at = (name: string): string => join(folder, name)
  const places = {
    ...{ run: at('run'), lxcPath: at('lxc') },
    ...{ images: at('images'), overlays: at('overlays'), homes: at('homes') },
  }
  const settings = {
    ...places,
    prefix,
    logs: join(folder, 'logs'),
    bundle: quietBundle(join(folder, 'bundle')),
    network,
    displayGid: findAccount('nobody')?.gid ?? 0,
    cgroups: layout,
    users: users ?? undefined,
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
  const init = (id: number): number => processesIn(payload(id))[0] ?? 0
  const inits = (): string[] =>
    namesIn('group', join(layout.counted, 'ostler'), prefix).flatMap((line) => {
      const [init] = processesIn(join(line.slice('group '.length), 'payload'))
      return init === undefined ? [] : [`process ${init}`]
    })
  return {
    init,
    places,
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
    files: filesInside({ fresh: '/etc', home: () => '/home' }, init),
    [Symbol.asyncDispose]: () => scope.close(),
  }
}
