import { upgradeApi } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import type { SharedFolders, SharingParts } from '../folders/shared-folders.ts'
import type { Upgrade } from '../rpc/server.ts'
import type { MountShare } from '../slave/share-routes.ts'
import { isSoleUser } from '../user/sole-user.ts'

/** Where folders of the client are mounted, however they come; loaded, like the console, when somebody shares one. */
export function foldersOnFirstUse(parts: SharingParts, scope: Scope): () => Promise<SharedFolders> {
  let loaded: Promise<SharedFolders> | undefined
  const load = async (): Promise<SharedFolders> => {
    const { SharedFolders: Folders } = await import('../folders/shared-folders.ts')
    return scope.own(new Folders(parts))
  }
  return () => {
    // Without root nothing can be mounted.
    if (isSoleUser()) throw new Fault('folder.unavailable', { reason: 'it has one user, and no root' })
    return (loaded ??= load())
  }
}

/** Takes streams of our own client, one for each folder. */
export function folderUpgrade(folders: () => Promise<SharedFolders>): Upgrade {
  return {
    ...upgradeApi.folders,
    take: async (_, socket, head) => {
      const shared = await folders()
      const { takeFolder } = await import('../folders/folder-upgrade.ts')
      takeFolder(shared, socket, head)
    },
  }
}

/** Takes folders that come over the slave channel: a line without signs of life, to clients that count on the name (section 5.2). */
export function mountShareIn(folders: () => Promise<SharedFolders>): MountShare {
  return async ({ path, charset }, stream, head, named) => {
    const shared = await folders()
    const { SILENT_LINE_MS } = await import('../folders/shared-folders.ts')
    const request = { name: path, path, readOnly: false, ...(charset === undefined ? {} : { charset }) }
    await shared.mount(request, stream, head, { answerMs: SILENT_LINE_MS, exactName: true, named })
  }
}
