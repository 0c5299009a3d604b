import { Fault } from '@ostler/contract/fault.ts'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isArchive } from '../../model/disk-image.ts'
import {
  imageFileName,
  imagePath,
  isStaged,
  type StorageFolders,
  unpackedName,
} from '../../model/storage-layout.ts'
import type { DesktopSpec, FailedBoot, Hypervisor } from '../hypervisor.ts'
import { tidyApart } from '../desktop-group.ts'
import type { CgroupLayout } from '../lxc/cgroup.ts'
import { unpackedFolder } from '../lxc/tarball-image.ts'
import { requireAnswers } from './answers.ts'
import { requireMounts } from './file-systems.ts'
import { keepFailedStart, type KeptStart } from './failed-starts.ts'
import { judgeImage, settleImage, settleUnpacked } from './manifest.ts'
import { freeOverlay, hasOverlay, lockOverlay, whileLocked } from './overlay-lock.ts'
import { requirePermissions } from './permissions.ts'

export interface StorageGuard {
  readonly folders: StorageFolders
  /** Where this driver's overlays are. */
  readonly overlays: string
  /** This node's name, which stands in locks. */
  readonly node: string
  /** Where what holds a lock gets out of our own control group; `undefined`: it stays there. */
  readonly cgroups?: CgroupLayout
  /** Folders that must be mounts (`storage.mounts`). */
  readonly mounts: readonly string[]
  /** What tells of a desktop's start: files that its driver writes. */
  readonly logs: (id: number) => readonly string[]
  /** Why an image that is brought from the staging folder cannot be used. */
  readonly refuses?: (image: DesktopSpec['image']) => string | undefined
  /** Called when a failed start was kept. */
  readonly onKept?: (desktop: { readonly id: number } & FailedBoot, kept: KeptStart) => Promise<void>
}

/**
 * A driver whose desktops' storage is looked after: images are found where they are and must be what they were, folders that must be
 * mounts are, what desktops write is within nobody else's reach, an overlay is locked from before it is made until its desktop is released, also while it is removed or copied, and
 * what a failed start has written is kept.
 */
export function guarded(driver: Hypervisor, guard: StorageGuard): Hypervisor {
  const { folders, overlays, node } = guard
  const placed = <S extends Pick<DesktopSpec, 'image'>>(spec: S): S => {
    const image = { ...spec.image, path: imagePath(folders, spec.image) }
    const file = imageFileName(spec.image)
    return {
      ...spec,
      image: isStaged(spec.image) ? { ...image, unpackedName: unpackedName(file) } : image,
    }
  }
  const settle = async ({ image }: DesktopSpec): Promise<void> => {
    const sha256 = await settleImage(folders, image)
    if (sha256 === undefined || !isArchive(image.kind)) return
    const unpacked = unpackedFolder(folders.basefs, image)
    if (unpacked !== undefined && existsSync(unpacked)) settleUnpacked(unpacked, image, sha256)
  }
  const capture = driver.capture?.bind(driver)
  const warning = driver.warning?.bind(driver)
  return {
    ...driver,

    imageWork: (unplaced) => {
      const spec = placed(unplaced)
      const work = driver.imageWork?.(spec)
      const verdict = judgeImage(folders, spec.image)
      if (work === undefined && verdict !== 'new' && verdict !== 'touched') return undefined
      return async () => {
        await settleImage(folders, spec.image)
        await work?.()
      }
    },

    prepare: async (unplaced) => {
      const spec = placed(unplaced)
      await requireAnswers([...guard.mounts, overlays, folders.basefs, dirname(spec.image.path)])
      requireMounts(guard.mounts)
      requirePermissions([overlays, folders.basefs])
      const reason = guard.refuses?.(unplaced.image)
      if (reason !== undefined) throw new Fault('image.unusable', { image: spec.image.name, reason })
      await settleImage(folders, spec.image)
      await lockOverlay(overlays, node, spec, guard.cgroups)
      await driver.prepare(spec)
      await settle(spec)
    },

    boot: (spec) => driver.boot(placed(spec)),

    ...(warning === undefined ? {} : { warning: (spec) => warning(placed(spec)) }),

    release: async (id, failed) => {
      await requireAnswers([overlays])
      await driver.release(id)
      if (failed !== undefined && hasOverlay(overlays, node, id)) {
        const kept = await keepFailedStart(
          overlays,
          { id, epoch: failed.epoch },
          guard.logs(id),
          failed.fault,
        )
        if (kept !== undefined) await guard.onKept?.({ id, ...failed }, kept)
      }
      await freeOverlay(overlays, node, id)
      if (guard.cgroups !== undefined) tidyApart(guard.cgroups)
    },

    reset: async (id) => {
      await requireAnswers([...guard.mounts, overlays])
      requireMounts(guard.mounts)
      await whileLocked(overlays, node, { id }, () => driver.reset(id))
    },

    written: async (id) => {
      await requireAnswers([...guard.mounts, overlays])
      requireMounts(guard.mounts) // what cannot be seen is not gone
      return await driver.written(id)
    },

    ...(capture === undefined
      ? {}
      : {
          capture: async (unplaced, target, signal) => {
            const spec = placed(unplaced)
            await requireAnswers([overlays, dirname(spec.image.path)])
            await settleImage(folders, spec.image)
            return await whileLocked(overlays, node, spec, () => capture(spec, target, signal))
          },
        }),
  }
}

/** The files that tell of a start: what ran it, and the guest's console where there is one. */
export function logsOf(folder: string, name: string): readonly string[] {
  return ['', '-console'].map((kind) => join(folder, `${name}${kind}.log`))
}
