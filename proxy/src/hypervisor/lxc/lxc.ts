import { Fault } from '@ostler/contract/fault.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { run, RunError } from '@ostler/kit/run.ts'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { macOf, type Subnet } from '../../model/address.ts'
import { runFolder } from '../../model/run-folder.ts'
import { consoleTail, GUEST_CONSOLE_FILE } from '../console-tail.ts'
import type { Hypervisor } from '../hypervisor.ts'
import { freshOverlay, imageFolder } from '../image-folder.ts'
import { homeFolder, makeRunFolder, removeRunFolder } from '../run-folders.ts'
import { type CgroupLayout, killGroup, observeGroup, removeGroups } from './cgroup.ts'
import { containerConfig } from './container-config.ts'
import { firstError } from './lxc-log.ts'
import { isUnpacked, tarballImage } from './tarball-image.ts'

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
}

const START_MS = 30_000
const END_MS = 5_000
/** Desktops as LXC containers: an image below, an overlay above it, the home apart. */
export function lxcHypervisor(settings: LxcSettings): Hypervisor {
  const containerOf = (id: number): string => `${settings.prefix}${id}`
  /** The kernel takes no longer name for a device. */
  const deviceOf = (id: number): string => containerOf(id).slice(-15)
  const lxc = (id: number): string[] => ['-P', settings.lxcPath, '-n', containerOf(id)]
  return {
    name: 'lxc',

    imageWork: ({ image }) =>
      image.kind !== 'tarball' || isUnpacked(settings.images, image.path)
        ? undefined
        : async () => {
            mkdirSync(settings.images, { recursive: true, mode: 0o755 })
            await tarballImage(settings.images, image.name, image.path)
          },

    prepare: async (spec) => {
      const image = await imageFolder(settings.images, spec)
      const hasAgent = existsSync(join(image, 'usr/lib/systemd/system/ostler-vma.service'))
      const upper = join(await freshOverlay(settings.overlays, spec.id), 'upper')
      mkdirSync(upper, { mode: 0o755 })
      const home = homeFolder(settings.homes, spec)
      mkdirSync(home, { recursive: true, mode: 0o755 })
      const folders = await makeRunFolder(settings.run, spec.id, 'lxc', settings.displayGid)
      const folder = join(settings.lxcPath, containerOf(spec.id))
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      mkdirSync(settings.logs, { recursive: true, mode: 0o755 })
      const config = containerConfig({
        container: containerOf(spec.id),
        hostname: spec.name,
        lower: image,
        upper,
        home,
        run: folders,
        bundle: hasAgent ? undefined : settings.bundle,
        sharesUsr: spec.image.kind === 'instant',
        network: {
          ...settings.network,
          veth: deviceOf(spec.id),
          mac: macOf(settings.network.macPrefix, spec.address),
          address: spec.address,
        },
        memoryMb: spec.flavour.memoryMb,
        cpuPercent: spec.flavour.cpuPercent,
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
        await run('lxc-start', [...lxc(spec.id), '--daemon', '-l', 'WARN', '-o', log], {
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
  }
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
