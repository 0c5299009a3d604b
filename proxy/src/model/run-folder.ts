import { DISPLAY_SOCKETS, type SocketKind } from '@ostler/contract/identity.ts'
import { join } from 'node:path'

/**
 * The folder of a desktop on its node, by convention: whoever knows `path.run` and the number finds it.
 * `boot` is bound into the guest read-only, `display` for writing.
 */
export interface RunFolder {
  readonly root: string
  readonly boot: string
  readonly display: string
}

/** @param run `path.run` */
export function runFolder(run: string, vmId: number): RunFolder {
  const root = join(run, 'desktops', String(vmId))
  return { root, boot: join(root, 'boot'), display: join(root, 'display') }
}

/** The unix socket through which a desktop's display or serial line is reached on its node. */
export function displaySocket(run: string, vmId: number, kind: SocketKind): string {
  return join(runFolder(run, vmId).display, DISPLAY_SOCKETS[kind])
}
