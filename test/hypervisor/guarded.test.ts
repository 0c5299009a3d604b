import { guarded } from '@ostler/proxy/hypervisor/storage/guarded.ts'
import { processesWith } from './quiet-guest.ts'
import { openStorageRoom } from '../fixtures/storage-room.ts'
import { processRoom } from './process-room.ts'
import { type DriverRoom, hypervisorSuite } from './suite.ts'

/** A driver whose storage is looked after promises what it promises without, and leaves no lock behind. */
async function guardedRoom(): Promise<DriverRoom> {
  const room = await processRoom()
  const { folders, ...storage } = await openStorageRoom()
  const node = `guarded${process.pid}`
  const guard = { folders, overlays: folders.overlayfs, node, mounts: [], logs: () => [] }
  return {
    ...room,
    open: () => guarded(room.open(), guard),
    remains: () => [
      ...room.remains(),
      ...processesWith(`ostler-overlay ${node}/`).map((pid) => `lock ${pid}`),
    ],
    [Symbol.asyncDispose]: async () => {
      await room[Symbol.asyncDispose]()
      await storage[Symbol.asyncDispose]()
    },
  }
}

hypervisorSuite('process, its storage looked after', guardedRoom, {
  desktops: 4,
  sequences: 10,
  verbs: 12,
  endMs: 15_000,
})
