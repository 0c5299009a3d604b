import { Fault } from '@ostler/contract/fault.ts'
import { DISPLAY_SOCKETS } from '@ostler/contract/identity.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { identify, isAlive, type ProcessIdentity } from '@ostler/kit/process-table.ts'
import { openSocketName } from '@ostler/kit/socket-name.ts'
import { chmodSync, chownSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { macOf, type Subnet } from '../../model/address.ts'
import { displaySocket, runFolder } from '../../model/run-folder.ts'
import { overlayDiskName } from '../../model/storage-layout.ts'
import { enterGroup, type GroupLimits } from '../desktop-group.ts'
import type { DesktopSpec, Hypervisor, Processes, SystemSpec } from '../hypervisor.ts'
import {
  type CgroupLayout,
  cgroupNames,
  killGroup,
  observeGroup,
  processesIn,
  removeGroups,
} from '../lxc/cgroup.ts'
import { homeOf } from '../homes/home-place.ts'
import { isKept, overlaysOf, removeOverlays } from '../overlays.ts'
import { limitedFolder, makeRunFolder, removeRunFolder } from '../run-folders.ts'
import { KVM_DEVICE, type QemuAbilities } from './abilities.ts'
import { consoleTail } from '../console-tail.ts'
import { keepConsole } from './console-log.ts'
import { groupOfDevice } from './device-access.ts'
import { copyDisk, makeOverlay, openImage, openOwnDisk } from './disks.ts'
import { qemuArguments, QEMU_FILES } from './qemu-arguments.ts'
import { lastWords, type QemuProcess, startQemu } from './qemu-process.ts'
import { openQmp, type Qmp } from './qmp.ts'
import { makeTap, removeTap } from './tap.ts'
import { ticketPort } from './ticket-port.ts'

export interface KvmSettings {
  /** Begins the names of machines and network devices. */
  readonly prefix: string
  /** `path.run` */
  readonly run: string
  readonly logs: string
  readonly overlays: string
  readonly homes: string
  readonly network: Subnet & { readonly bridge: string; readonly macPrefix: string }
  /** The door, who alone opens displays, and whose group passes through the run folders to them. */
  readonly door: { readonly uid: number; readonly gid: number }
  /** Each machine runs as a user of its own: this number and the desktop's. */
  readonly uidStart: number
  readonly cgroups: CgroupLayout
  /** The QEMU that runs machines. */
  readonly program: string
  /** Processors of this node. */
  readonly cores: number
  /** What that QEMU can do; finds it out when first asked. */
  readonly abilities: () => Promise<QemuAbilities>
}

const START_MS = 30_000
const LOOK_MS = 20
const END_MS = 5_000
/** How often a guest that does not halt is asked again: one that is not up yet does not hear it. */
const PRESS_AGAIN_MS = 1_000
const PRESS_FOR_MS = 30_000
/** What QEMU takes beside the guest's memory: pictures, buffers, translated code. */
const OVERHEAD_MB = 512
/** Threads of one QEMU: processors, disks, SPICE. */
const MAX_THREADS = 1_024
/** The numbers of the disks' files in QEMU. */
const FILES = { image: 3, overlay: 4, home: 5 } as const
/** What the kernel takes as the name of a network device. */
const TAP_LENGTH = 15
/** The devices that QEMU opens itself. */
const DEVICES = { tcg: ['/dev/net/tun'], kvm: ['/dev/net/tun', KVM_DEVICE] } as const
/** The sockets that are the door's. */
const DOORS = ['serial', 'vnc', 'spice'] as const

/** QEMU's own folder in a desktop's run folder. */
function machineFolder(run: string, id: number): string {
  return join(runFolder(run, id).root, 'qemu')
}

/**
 * Desktops as virtual machines: an overlay over a qcow2 image, the home on a disk of its own, QEMU without root in a
 * folder of its own. QEMU outlives us; it is found by its control group and spoken to over its monitor.
 */
export function kvmHypervisor(settings: KvmSettings): Hypervisor {
  const nameOf = (id: number): string => `${settings.prefix}${id}`
  const tapOf = (id: number): string => nameOf(id).slice(-TAP_LENGTH)
  const uidOf = (id: number): number => settings.uidStart + id
  const logOf = (id: number): string => join(settings.logs, `${nameOf(id)}.log`)
  const overlayOf = (spec: SystemSpec): string => join(settings.overlays, overlayDiskName(spec))
  const inMachine = (id: number, name: string): string => join(machineFolder(settings.run, id), name)
  const look = (id: number): Processes => observeGroup(settings.cgroups, nameOf(id))
  const monitor = (id: number): Promise<Qmp> => openQmp(inMachine(id, QEMU_FILES.monitor))
  let known: QemuAbilities | undefined

  const start = (spec: DesktopSpec, { acceleration, spice }: QemuAbilities): QemuProcess => {
    using image = openImage(spec.image.name, spec.image.path)
    using overlay = openOwnDisk(overlayOf(spec))
    using home = openOwnDisk(homeOf(settings, spec))
    const devices = DEVICES[acceleration.name].map((path) => groupOfDevice(path, settings.uidStart))
    return startQemu({
      program: settings.program,
      args: qemuArguments({
        name: nameOf(spec.id),
        acceleration: acceleration.name,
        memoryMb: spec.flavour.memoryMb,
        cpus: Math.max(1, Math.min(Math.ceil(spec.flavour.cpuPercent / 100), settings.cores)),
        disks: {
          image: { file: FILES.image, format: 'qcow2' },
          overlay: { file: FILES.overlay, format: 'qcow2' },
          home: { file: FILES.home, format: spec.home.kind === 'qcow2' ? 'qcow2' : 'raw' },
        },
        diskRates: spec.flavour.diskRates,
        network: { tap: tapOf(spec.id), mac: macOf(settings.network.macPrefix, spec.address) },
        // Seen from QEMU's folder: it could not come to them from above.
        sockets: {
          serial: `../display/${DISPLAY_SOCKETS.serial}`,
          vnc: `../display/${DISPLAY_SOCKETS.vnc}`,
          spice: spice ? `../display/${DISPLAY_SOCKETS.spice}` : undefined,
        },
      }),
      uid: uidOf(spec.id),
      groups: [...new Set(devices)].filter((group) => group !== undefined),
      folder: machineFolder(settings.run, spec.id),
      files: [image.fd, overlay.fd, home.fd],
      log: logOf(spec.id),
    })
  }

  /** Lets a machine that was started run, and the door to its displays. Harmless to one that runs. */
  const letRun = async (id: number, qmp: Qmp): Promise<void> => {
    for (const kind of DOORS) giveToDoor(displaySocket(settings.run, id, kind), settings.door)
    await qmp.execute('cont')
  }

  /** Waits for the monitor of a QEMU that starts. */
  const firstWord = async (id: number, qemu: QemuProcess): Promise<Qmp> => {
    const until = performance.now() + START_MS
    for (;;) {
      try {
        return await monitor(id)
      } catch (error) {
        if (qemu.ended() || performance.now() > until) throw error
        await sleep(LOOK_MS)
      }
    }
  }

  const first = (id: number): ProcessIdentity | undefined => {
    const group = join(settings.cgroups.counted, cgroupNames(nameOf(id)).payload)
    return processesIn(group)
      .map((pid) => identify(pid))
      .find((found) => found !== undefined)
  }

  const press = async (id: number): Promise<void> => {
    try {
      using qmp = await monitor(id)
      await qmp.execute('system_powerdown')
    } catch {
      // It has ended, or does not listen; then the deadline ends it.
    }
  }

  const pressUntilGone = async (id: number, machine: ProcessIdentity): Promise<void> => {
    const until = performance.now() + PRESS_FOR_MS
    while (performance.now() < until) {
      await sleep(PRESS_AGAIN_MS, undefined, { ref: false })
      if (!isAlive(machine)) return
      await press(id)
    }
  }

  return {
    name: 'kvm',

    prepare: async (spec) => {
      await settings.abilities()
      await endForgotten(() => monitor(spec.id))
      using image = openImage(spec.image.name, spec.image.path)
      if (!isKept(spec)) await removeOverlays(settings.overlays, spec.id)
      if (!existsSync(overlayOf(spec)))
        await makeOverlay(overlayOf(spec), { ...spec.image, size: image.size })
      const user = { uid: uidOf(spec.id), gid: uidOf(spec.id) }
      await makeRunFolder(settings.run, spec.id, 'kvm', settings.door.gid, user)
      const folder = machineFolder(settings.run, spec.id)
      await limitedFolder(folder, { mode: 0o700, size: '1m', owner: user })
      for (const name of Object.values(QEMU_FILES)) rmSync(join(folder, name), { force: true })
      writeFileSync(join(folder, QEMU_FILES.network), networkSeed(spec, settings.network), { mode: 0o644 })
      writeFileSync(join(folder, QEMU_FILES.hostname), spec.name, { mode: 0o644 })
      mkdirSync(settings.logs, { recursive: true, mode: 0o755 })
      await makeTap(tapOf(spec.id), settings.network.bridge, uidOf(spec.id))
    },

    boot: async (spec) => {
      const { id } = spec
      if (look(id) === 'present') {
        using qmp = await monitor(id)
        await letRun(id, qmp)
        return
      }
      if (!existsSync(machineFolder(settings.run, id)))
        throw new Fault('machine.failed', { desktop: id, reason: 'it was not prepared' })
      await removeGroups(settings.cgroups, nameOf(id))
      known = await settings.abilities()
      const qemu = start(spec, known)
      try {
        enterGroup(settings.cgroups, nameOf(id), limitsOf(spec), [qemu.pid])
        using qmp = await firstWord(id, qemu)
        await letRun(id, qmp)
      } catch (cause) {
        qemu.kill()
        await comesToHold(() => qemu.ended(), END_MS, LOOK_MS)
        const said = lastWords(logOf(id)) ?? (cause instanceof Error ? cause.message : String(cause))
        throw new Fault('machine.failed', { desktop: id, reason: said }, { cause })
      }
    },

    observe: (id) => ({ processes: look(id) }),

    powerOff: async (id) => {
      const machine = first(id)
      if (machine === undefined) return
      await press(id)
      void pressUntilGone(id, machine)
    },

    kill: (id) => {
      killGroup(settings.cgroups, nameOf(id))
      return Promise.resolve()
    },

    release: async (id) => {
      await removeGroups(settings.cgroups, nameOf(id))
      keepConsole(inMachine(id, QEMU_FILES.console), join(settings.logs, `${nameOf(id)}-console.log`))
      await removeTap(tapOf(id))
      const folder = runFolder(settings.run, id)
      await removeRunFolder(folder, [folder.display, machineFolder(settings.run, id)])
    },

    consoleTail: (id) => consoleTail([logOf(id), inMachine(id, QEMU_FILES.console)]),

    capture: async (spec, target, signal) => {
      const overlay = overlayOf(spec)
      if (!isKept(spec) || !existsSync(overlay))
        throw new Fault('capture.failed', {
          reason: 'the desktop has kept nothing: it must have run with overlay=persistent or overlay=user',
        })
      await copyDisk({ image: spec.image.path, overlay }, target, signal)
      return 'qcow2'
    },

    reset: (id) => removeOverlays(settings.overlays, id),
    written: (id) => Promise.resolve(overlaysOf(settings.overlays, id)),

    tickets: (id) => ticketPort(inMachine(id, QEMU_FILES.boot)),

    warning: () =>
      known?.acceleration.name === 'tcg'
        ? `the processor is emulated, many times slower than by KVM, which is of no use here: ${known.acceleration.because}`
        : undefined,
  }
}

/** What a machine may take of its node, QEMU's own share included. */
function limitsOf({ flavour }: DesktopSpec): GroupLimits {
  const { memoryMb, cpuPercent } = flavour
  return { memoryMb: memoryMb + OVERHEAD_MB, cpuPercent, processes: MAX_THREADS }
}

/** A file for systemd-networkd. */
function networkSeed(spec: DesktopSpec, network: KvmSettings['network']): string {
  const mac = macOf(network.macPrefix, spec.address)
  return `[Match]
MACAddress=${mac}
[Network]
Address=${spec.address}/${network.prefix}
Gateway=${network.gateway}
`
}

/** Ends a machine that was started and never put into its group: we died right there. It has not run yet. */
async function endForgotten(monitor: () => Promise<Qmp>): Promise<void> {
  try {
    using qmp = await monitor()
    await qmp.execute('quit')
  } catch {
    // there is none
  }
}

/** QEMU makes its sockets as its own user; a link that it were to put there is not followed. */
function giveToDoor(path: string, door: KvmSettings['door']): void {
  if (!existsSync(path)) return
  using socket = openSocketName(path)
  chmodSync(socket.path, 0o600)
  chownSync(socket.path, door.uid, door.gid)
}
