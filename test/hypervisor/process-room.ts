import { findAccount } from '@ostler/kit/passwd.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { DesktopSpec } from '../../proxy/src/hypervisor/hypervisor.ts'
import { cgroupLayout } from '../../proxy/src/hypervisor/lxc/cgroup.ts'
import { ownerOnNode, processHypervisor } from '../../proxy/src/hypervisor/process/process.ts'
import { findSandbox } from '../../proxy/src/hypervisor/process/sandbox-processes.ts'
import { runFolder } from '../../proxy/src/model/run-folder.ts'
import { housed } from '../../proxy/src/hypervisor/homes/housed.ts'
import { testHome, testHousing } from '../fixtures/home.ts'
import { filesThrough, mountsBelow, namesIn, processesWith, quietBundle } from './quiet-guest.ts'
import type { DriverRoom } from './suite.ts'

const FIRST_UID = 2_000_000

/** Sandboxes with a quiet init; without root where we are not root. */
export function processRoom(): Promise<DriverRoom> {
  const byRoot = process.getuid?.() === 0
  const folder = mkdtempSync(join(byRoot ? '/var/lib' : '/var/tmp', 'ostler-process-room-'))
  const layout = cgroupLayout()
  if (layout === undefined) throw new Error('this machine has no control groups')
  const prefix = `op${process.pid}-`
  const settings = {
    prefix,
    run: join(folder, 'run'),
    images: join(folder, 'images'),
    overlays: join(folder, 'overlays'),
    homes: join(folder, 'homes'),
    bundle: quietBundle(join(folder, 'bundle')),
    displayGid: findAccount('nobody')?.gid ?? 0,
    root: byRoot ? { firstUid: FIRST_UID, cgroups: layout } : undefined,
  }
  const rootless = join(folder, 'no-system')
  for (const name of ['sbin', 'usr', 'etc']) mkdirSync(join(rootless, name), { recursive: true })
  const spec = (id: number): DesktopSpec => ({
    id,
    epoch: 1,
    name: `desk-${id}`,
    tenantId: 1,
    ownerId: id,
    login: `user${id}`,
    address: '127.0.0.1',
    flavour: { id: 1, memoryMb: 256, cpuPercent: 100 },
    home: testHome(id),
    image: { id: 1, name: 'instant', kind: 'instant', path: '/' },
  })
  const housing = testHousing({
    ...settings,
    kinds: ['directory'],
    owner: (desktop) => ownerOnNode(settings.root, desktop),
    group: byRoot ? { cgroups: layout, name: `${prefix}homes` } : undefined,
  })
  const initOf = (id: number): number => findSandbox(runFolder(settings.run, id).root).inits[0]?.pid ?? 0
  return Promise.resolve({
    open: () => housed(processHypervisor(settings), housing),
    spec,
    broken: (id) => ({ ...spec(id), image: { id: 1, name: 'no-system', kind: 'directory', path: rootless } }),
    remains: () => [
      ...processesWith(folder).map((pid) => `process ${pid}`),
      ...layout.hierarchies.flatMap((hierarchy) => namesIn('group', join(hierarchy, 'ostler'), prefix)),
      ...mountsBelow(folder),
      ...namesIn('files', join(settings.run, 'desktops')),
      ...namesIn('files', join(settings.run, 'homes')),
    ],
    files: filesThrough({ fresh: '/etc', home: () => '/home' }, initOf),
    [Symbol.asyncDispose]: async () => {
      await comesToHold(() => processesWith(folder).length === 0, 5_000, 20)
      rmSync(folder, { recursive: true, force: true })
    },
  })
}
