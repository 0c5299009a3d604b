import type { Gate } from '@ostler/kit/gate.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { isAbsolute } from 'node:path'
import type { HkdMetrics } from '../hkd/hkd-metrics.ts'
import { FailedStartKeeper } from '../hkd/failed-start-keeper.ts'
import { ImageBringer } from '../hkd/image-bringer.ts'
import { RoomWatch } from '../hkd/room-watch.ts'
import { StorageOrders } from '../hkd/storage-orders.ts'
import type { DesktopSpec } from '../hypervisor/hypervisor.ts'
import { KEPT_STARTS } from '../hypervisor/storage/failed-starts.ts'
import type { StorageGuard } from '../hypervisor/storage/guarded.ts'
import type { StorageFolders } from '../model/storage-layout.ts'
import type { Db } from '../store/open.ts'
import { addFailedStart } from '../store/failed-starts.ts'
import type { NodeValues } from './node-config.ts'

/** Reads folders with `:` between them. @throws Error for one that is not absolute. */
export function parseMounts(text: string): readonly string[] {
  const paths = text.split(':').filter((path) => path !== '')
  if (!paths.every((path) => isAbsolute(path))) throw new Error('is not made of absolute paths')
  return paths
}

/** Where this node's storage is. */
export function storageFolders(config: NodeValues): StorageFolders {
  return {
    staging: config['path.storage.staging'],
    images: config['path.storage.images'],
    basefs: config['path.storage.basefs'],
    overlayfs: config['path.storage.overlayfs'],
    overlays: config['path.storage.overlays'],
    homefs: config['path.storage.homefs'],
  }
}

/** What hkd does for the storage of its node. */
export interface StorageCare {
  /** Why no desktop can start from an image here yet, in words. */
  holds(image: DesktopSpec['image']): string | undefined
  /** What drivers need of it. */
  readonly guard: Pick<StorageGuard, 'onKept' | 'refuses'>
  /** An image was added, an order given, or a desktop removed. */
  look(): void
}

/** What that needs. */
interface StorageParts {
  readonly db: Db
  readonly hostId: number
  readonly metrics: HkdMetrics
  /** How many images are copied at once. */
  readonly gate: Gate
  readonly log: Log
}

/**
 * Brings images, watches the room and serves orders, until the scope closes.
 * @param onReady called when desktops may start that could not.
 */
export function careForStorage(
  config: NodeValues,
  { db, hostId, metrics, gate, log }: StorageParts,
  onReady: () => void,
  scope: Scope,
): StorageCare {
  const folders = storageFolders(config)
  const reserve = { megabytes: config['storage.reserve.mb'], percent: config['storage.reserve.percent'] }
  const rooms = scope.own(new RoomWatch({ ...folders }, reserve, log))
  metrics.storageRoom = () => rooms.rooms
  const reserveBytes = reserve.megabytes * 2 ** 20
  const sources = { ...folders, uploads: config['path.uploads'] }
  const images = scope.own(
    new ImageBringer({ db, hostId, folders: sources, reserveBytes, gate, onReady, log }),
  )
  const failures = scope.own(new FailedStartKeeper({ db, hostId, folders, log }))
  const orders = scope.own(new StorageOrders({ db, hostId, folders, log }))
  return {
    holds: (image) => images.holds(image) ?? rooms.holds(),
    guard: {
      refuses: (image) => images.refuses(image),
      onKept: async ({ id: vmId, epoch, fault }, { folder, bytes }) => {
        log.info('what a failed start has written is kept', { vm: vmId, folder, bytes })
        await addFailedStart(db, hostId, { vmId, epoch, folder, bytes, fault }, KEPT_STARTS)
      },
    },
    look: () => {
      images.look()
      orders.look()
      failures.look()
    },
  }
}
