import { Fault } from '@ostler/contract/fault.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { run, RunError } from '@ostler/kit/run.ts'
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { macOf, type Subnet } from '../../model/address.ts'
import { isArchive } from '../../model/disk-image.ts'
import { runFolder } from '../../model/run-folder.ts'
import { consoleTail, GUEST_CONSOLE_FILE } from '../console-tail.ts'
import { diskWarning, groupDiskLimits } from '../disk-limits.ts'
import type { DesktopSpec, Hypervisor } from '../hypervisor.ts'
import { copyFolder } from '../golden/copy-folder.ts'
import { imageFolder } from '../image-folder.ts'
import { homeOf, openHomes } from '../homes/home-place.ts'
import { isKept, overlayFolder, overlaysOf, readyOverlay, removeOverlays } from '../overlays.ts'
import { makeRunFolder, removeRunFolder } from '../run-folders.ts'
import { containerProfile } from './apparmor.ts'
import { type CgroupLayout, killGroup, observeGroup, removeGroups } from './cgroup.ts'
import { containerConfig } from './container-config.ts'
import { displayOnDisk } from './display-on-disk.ts'
import { firstError } from './lxc-log.ts'
import { memoryShiftsOwners, stageCommand, stagePlaces } from './stage.ts'
import { isUnpacked, tarballImage } from './tarball-image.ts'
import { type UserNumbers, userRange } from './user-range.ts'

export interface LxcSettings {
  /** Begins the names of containers and network devices. */
  readonly prefix: string
  readonly run: string
  readonly lxcPath: string
  readonly logs: string
  readonly images: string
  readonly overlays: string
  readonly homes: string
  /** The agent's bundle: node, vma.cjs, ostler-init. */
  readonly bundle: string
  readonly network: Subnet & { readonly bridge: string; readonly macPrefix: string }
  /** The group that may pass through the run folders to the displays. */
  readonly displayGid: number
  readonly cgroups: CgroupLayout
  /** Who the users of guests are on the node; `undefined`: the same as in the guest, and root is root. */
  readonly users: UserNumbers | undefined
}

/** How the container is started: beside its configuration, as a list of words. */
const START = 'start.json'
const START_MS = 30_000
const END_MS = 5_000
/** Desktops as LXC containers: an image below, an overlay above it, the home apart. */
export function lxcHypervisor(settings: LxcSettings): Hypervisor {
  const containerOf = (id: number): string => `${settings.prefix}${id}`
  /** The kernel takes no longer name for a device. */
  const deviceOf = (id: number): string => containerOf(id).slice(-15)
  /** Found out once. */
  let shiftsMemory: Promise<boolean> | undefined
  let profile: Promise<string | undefined> | undefined
  const lxc = (id: number): string[] => ['-P', settings.lxcPath, '-n', containerOf(id)]
  const profileFor = async (id: number): Promise<string | undefined> => {
    try {
      return await (profile ??= containerProfile())
    } catch (cause) {
      profile = undefined // who mends it need not start hkd anew
      const said = cause instanceof RunError ? (cause.stderr.trim().split('\n')[0] ?? '') : String(cause)
      throw new Fault('container.failed', { desktop: id, reason: `AppArmor: ${said}` }, { cause })
    }
  }
  /** Where a desktop reads and writes. */
  const foldersOf = (spec: DesktopSpec): string[] => [
    spec.image.kind === 'directory' ? spec.image.path : settings.images,
    overlayFolder(settings.overlays, spec),
    homeOf(settings, spec),
  ]
  return {
    name: 'lxc',

    imageWork: ({ image }) =>
      !isArchive(image.kind) || isUnpacked(settings.images, image)
        ? undefined
        : async () => {
            mkdirSync(settings.images, { recursive: true, mode: 0o755 })
            await tarballImage(settings.images, image)
          },

    prepare: async (spec) => {
      const image = await imageFolder(settings.images, spec)
      const hasAgent = existsSync(join(image, 'usr/lib/systemd/system/ostler-vma.service'))
      const overlay = await readyOverlay(settings.overlays, spec)
      const [upper, work, display] = [join(overlay, 'upper'), join(overlay, 'work'), join(overlay, 'display')]
      // What an earlier boot has left beside what it has written is no part of that.
      for (const scratch of [work, display]) await rm(scratch, { recursive: true, force: true })
      for (const made of [upper, work]) mkdirSync(made, { recursive: true, mode: 0o755 })
      const home = homeOf(settings, spec)
      const folders = await makeRunFolder(settings.run, spec.id, 'lxc', settings.displayGid)
      const users = settings.users && userRange(settings.users, spec.id)
      chownSync(folders.boot, users?.first ?? 0, users?.first ?? 0) // its tickets go to whoever owns it
      const folder = join(settings.lxcPath, containerOf(spec.id))
      const stage = join(folder, 'stage')
      mkdirSync(stage, { recursive: true, mode: 0o711 }) // where the guest's root must pass, but see nothing
      if (users !== undefined && !(await (shiftsMemory ??= memoryShiftsOwners(stage, users))))
        await displayOnDisk(folders.display, display)
      const parts = {
        ...{ folder: stage, users, image, upper, work, home, homes: openHomes(settings) },
        ...{ display: folders.display, boot: folders.boot },
        bundle: hasAgent ? undefined : settings.bundle,
        usr: spec.image.kind === 'instant' ? '/usr' : undefined,
      }
      const command = stageCommand(parts, lxcStart(users !== undefined))
      writeFileSync(join(folder, START), JSON.stringify(command), { mode: 0o600 })
      mkdirSync(settings.logs, { recursive: true, mode: 0o755 })
      const config = containerConfig({
        container: containerOf(spec.id),
        hostname: spec.name,
        stage: stagePlaces(parts),
        users,
        network: {
          ...settings.network,
          veth: deviceOf(spec.id),
          mac: macOf(settings.network.macPrefix, spec.address),
          address: spec.address,
        },
        profile: await profileFor(spec.id),
        memoryMb: spec.flavour.memoryMb,
        cpuPercent: spec.flavour.cpuPercent,
        diskLimits: groupDiskLimits(settings.cgroups, spec.flavour.diskRates, foldersOf(spec)),
        cgroups: settings.cgroups,
      })
      writeFileSync(join(folder, 'config'), config, { mode: 0o600 })
    },

    boot: async (spec) => {
      if (observeGroup(settings.cgroups, containerOf(spec.id)) === 'present') return
      await removeGroups(settings.cgroups, containerOf(spec.id)) // left by a container that was killed with its monitor
      // The kernel takes the device of a container that has ended away when it comes to it.
      const device = deviceOf(spec.id)
      if (existsSync(`/sys/class/net/${device}`)) await run('ip', ['link', 'delete', device]).catch(() => {})
      const log = join(settings.logs, `${containerOf(spec.id)}.log`)
      rmSync(log, { force: true }) // one start, one log
      try {
        const [command = '', ...args] = startOf(join(settings.lxcPath, containerOf(spec.id)))
        await run(command, [...args, ...lxc(spec.id), '--daemon', '-l', 'WARN', '-o', log], {
          timeoutMs: START_MS,
        })
      } catch (cause) {
        const said = cause instanceof RunError ? (cause.stderr.trim().split('\n')[0] ?? '') : String(cause)
        const reason = firstError(existsSync(log) ? readFileSync(log, 'utf8') : '') ?? said
        await endRemains(settings.cgroups, containerOf(spec.id))
        throw new Fault('container.failed', { desktop: spec.id, reason }, { cause })
      }
    },

    observe: (id) => ({ processes: observeGroup(settings.cgroups, containerOf(id)) }),

    consoleTail: (id) =>
      consoleTail([
        join(settings.logs, `${containerOf(id)}.log`),
        join(runFolder(settings.run, id).display, GUEST_CONSOLE_FILE),
      ]),

    powerOff: async (id) => {
      // Without its monitor a container does not hear this; then the deadline ends it.
      await run('lxc-stop', [...lxc(id), '--nokill', '--nowait']).catch(() => {})
    },

    kill: (id) => {
      killGroup(settings.cgroups, containerOf(id))
      return Promise.resolve()
    },

    release: async (id) => {
      await removeGroups(settings.cgroups, containerOf(id))
      const folder = runFolder(settings.run, id)
      await removeRunFolder(folder, [folder.display])
      await rm(join(settings.lxcPath, containerOf(id)), { recursive: true, force: true })
    },

    capture: async (spec, target, signal) => {
      const upper = join(overlayFolder(settings.overlays, spec), 'upper')
      const refused = (reason: string): Fault => new Fault('capture.failed', { reason })
      if (spec.image.kind === 'instant')
        throw refused('an instant image has the programs of its node, and none of its own')
      if (!isKept(spec) || !existsSync(upper))
        throw refused(
          'the desktop has kept nothing: it must have run with overlay=persistent or overlay=user',
        )
      await copyFolder({ lower: await imageFolder(settings.images, spec), upper }, target, signal)
      return 'directory'
    },

    reset: (id) => removeOverlays(settings.overlays, id),
    written: (id) => Promise.resolve(overlaysOf(settings.overlays, id)),

    warning: (spec) => diskWarning(settings.cgroups, spec.flavour.diskRates, foldersOf(spec)),
  }
}

/**
 * Where newuidmap is there, LXC wants the numbers to be root's in /etc/subuid, even of root; it does not see it then, and writes
 * the map itself.
 */
function lxcStart(hasUsers: boolean): string[] {
  return hasUsers ? ['env', 'PATH=/nonexistent', '/usr/bin/lxc-start'] : ['lxc-start']
}

function startOf(folder: string): string[] {
  return JSON.parse(readFileSync(join(folder, START), 'utf8')) as string[]
}

/** A start that failed says so while its first processes are still ending. */
async function endRemains(cgroups: CgroupLayout, container: string): Promise<void> {
  await comesToHold(
    () => {
      killGroup(cgroups, container)
      return observeGroup(cgroups, container) === 'absent'
    },
    END_MS,
    10,
  )
}
