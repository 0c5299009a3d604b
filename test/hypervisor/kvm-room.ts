import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DesktopSpec } from '../../proxy/src/hypervisor/hypervisor.ts'
import { qemuAbilities } from '../../proxy/src/hypervisor/kvm/abilities.ts'
import { kvmHypervisor } from '../../proxy/src/hypervisor/kvm/kvm.ts'
import { processesIn } from '../../proxy/src/hypervisor/lxc/cgroup.ts'
import { runFolder } from '../../proxy/src/model/run-folder.ts'
import { housed } from '../../proxy/src/hypervisor/homes/housed.ts'
import { testHome, testHousing } from '../fixtures/home.ts'
import { bridgedRoom } from './bridged-room.ts'
import { mountsBelow, namesIn } from './quiet-guest.ts'
import type { DriverRoom } from './suite.ts'
import { tinyImage } from './tiny-guest.ts'

/** The users of this room's machines. */
export const UID_START = 1_900_000_000
/** Stands for the door: who it is does not matter to a driver. */
export const DOOR = { uid: 65_534, gid: 65_534 }
const PROGRAM = 'qemu-system-x86_64'

/** Whoever may open this machine's devices now is who may open them after this is disposed of. */
export function keepDevices(): Disposable {
  const kept = ['/dev/net/tun', '/dev/kvm'].flatMap((path) => {
    const stat = statSync(path, { throwIfNoEntry: false })
    return stat === undefined ? [] : [{ path, stat }]
  })
  return {
    [Symbol.dispose]: () => {
      for (const { path, stat } of kept) {
        chownSync(path, stat.uid, stat.gid)
        chmodSync(path, stat.mode & 0o777)
      }
    },
  }
}

export interface KvmRoom extends DriverRoom {
  readonly folder: string
  /** A file in QEMU's own folder. */
  inMachine(id: number, name: string): string
  pidOf(id: number): number
  /** The log of a machine that was released. */
  log(id: number, kind: '' | '-console'): string
}

/** Virtual machines with a system of 116 bytes, on a bridge of their own. */
export async function kvmRoom(): Promise<KvmRoom> {
  const { scope, folder, subnet, prefix, layout, network } = await bridgedRoom('kvm', 'ok')
  scope.own(keepDevices())
  // Below a folder that only root passes, as a node's storage is.
  const storage = join(folder, 'storage')
  mkdirSync(storage, { mode: 0o700 })
  const run = join(folder, 'run')
  const image = await tinyImage(join(storage, 'tiny.qcow2'))
  const junk = join(storage, 'junk.qcow2')
  writeFileSync(junk, 'this is no image')
  const probed = qemuAbilities({ program: PROGRAM, folder: join(run, 'kvm'), uid: UID_START })
  const settings = {
    prefix,
    run,
    logs: join(folder, 'logs'),
    overlays: join(storage, 'overlays'),
    homes: join(storage, 'homes'),
    network,
    door: DOOR,
    uidStart: UID_START,
    cgroups: layout,
    program: PROGRAM,
    cores: 2,
    abilities: probed,
  }
  const group = { cgroups: layout, name: `${prefix}homes` }
  const housing = testHousing({ ...settings, kinds: ['raw', 'qcow2'], group })
  const spec = (id: number): DesktopSpec => ({
    id,
    epoch: 1,
    name: `desk-${id}`,
    tenantId: 1,
    ownerId: id,
    login: `user${id}`,
    address: `10.3.${subnet}.${10 + (id % 200)}`,
    flavour: { id: 1, memoryMb: 64, cpuPercent: 100 },
    home: testHome(id, 'raw', 16),
    image: { id: 1, name: 'tiny', kind: 'qcow2', path: image },
  })
  const groups = (): string[] =>
    layout.hierarchies.flatMap((hierarchy) => namesIn('group', join(hierarchy, 'ostler'), prefix))
  const pidOf = (id: number): number =>
    processesIn(join(layout.counted, 'ostler', `${prefix}${id}`, 'payload'))[0] ?? 0
  return {
    folder,
    pidOf,
    inMachine: (id, name) => join(runFolder(run, id).root, 'qemu', name),
    log: (id, kind) => join(settings.logs, `${prefix}${id}${kind}.log`),
    open: () => housed(kvmHypervisor(settings), housing),
    spec,
    broken: (id) => ({ ...spec(id), image: { id: 1, name: 'junk', kind: 'qcow2', path: junk } }),
    remains: () => [
      ...namesIn('group', join(layout.counted, 'ostler'), prefix).flatMap((line) =>
        processesIn(join(line.slice('group '.length), 'payload')).map((pid) => `process ${pid}`),
      ),
      ...groups(),
      ...mountsBelow(folder),
      ...namesIn('device', '/sys/class/net', prefix),
      ...namesIn('files', join(run, 'desktops')),
      ...namesIn('files', join(run, 'homes')),
    ],
    [Symbol.asyncDispose]: () => scope.close(),
  }
}
