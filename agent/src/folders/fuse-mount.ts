import { Fault } from '@ostler/contract/fault.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { run } from '@ostler/kit/run.ts'
import { closeSync, existsSync, mkdirSync, openSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Mount, mounts } from '../platform/linux/mount-table.ts'

const DEVICE = '/dev/fuse'
const CONNECTIONS = '/sys/fs/fuse/connections'
/** File managers show what is mounted below `/run/media/USER`, and every boot begins with an empty `/run`. */
const MEDIA = '/run/media'
/** Stands before the name in the table of mounts: by that ours are known. */
const SOURCE = 'ostler-client:'
const MOUNT_MS = 5_000

/** Where folders of a user's client are mounted: nobody but root can change a name there. */
export function mountFolder(account: Account): string {
  return join(MEDIA, account.name, 'Redirected')
}

/** An open FUSE device, which becomes a mount by `mountFuse`. Closing it again does nothing. */
export interface FuseDevice extends Disposable {
  readonly fd: number
}

/** @throws Fault `folder.unavailable`. */
export function openFuse(): FuseDevice {
  try {
    const fd = openSync(DEVICE, 'r+')
    let open = true
    const dispose = (): void => {
      if (open) closeSync(fd)
      open = false
    }
    return { fd, [Symbol.dispose]: dispose }
  } catch (cause) {
    const reason = `${DEVICE} cannot be opened (${(cause as NodeJS.ErrnoException).code ?? 'unknown'})`
    throw new Fault('folder.unavailable', { reason }, { cause })
  }
}

/**
 * Mounts what `device` will answer, for one user alone. We do it, not sshfs: so she needs no right to the device, and
 * the folder beneath is root's, into which no program of hers can write when the mount is gone.
 *
 * @throws Fault `folder.unavailable`.
 */
export async function mountFuse(
  device: FuseDevice,
  point: string,
  name: string,
  { uid, gid }: Account,
  readOnly: boolean,
): Promise<void> {
  try {
    mkdirSync(dirname(point), { recursive: true, mode: 0o755 })
    mkdirSync(point, { mode: 0o555 })
    const owner = `fd=3,rootmode=40000,user_id=${uid},group_id=${gid}`
    const options = `${owner},max_read=65536,nosuid,nodev${readOnly ? ',ro' : ''}`
    const args = ['-i', '-c', '-t', 'fuse.sshfs', '-o', options, '--', `${SOURCE}${name}`, point]
    await run('mount', args, { files: [device.fd], timeoutMs: MOUNT_MS })
  } catch (cause) {
    removePoint(point)
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('folder.unavailable', { reason }, { cause })
  }
}

/**
 * Takes a mount away, at once, also when programs use it. Whoever waits in it gets an error: when sshfs has ended nobody
 * answers the device any more, and where one still does, the kernel is told to give the connection up.
 */
export async function unmountFuse(point: string): Promise<void> {
  for (const mount of mounts().filter((each) => each.point === point)) {
    abort(mount)
    await run('umount', ['-i', '-l', '--', point], { timeoutMs: MOUNT_MS }).catch(() => {})
  }
  removePoint(point)
}

/** Takes away what an agent before us has left: its sshfs ended with it. */
export async function sweepFolders(): Promise<void> {
  const left = mounts().filter(
    ({ source, point }) => source.startsWith(SOURCE) && point.startsWith(`${MEDIA}/`),
  )
  for (const { point } of left) await unmountFuse(point)
}

function abort({ device }: Mount): void {
  const file = join(CONNECTIONS, device.split(':')[1] ?? '', 'abort')
  try {
    if (existsSync(file)) writeFileSync(file, '1')
  } catch {
    // A container may not: sshfs has ended by now, which does the same.
  }
}

function removePoint(point: string): void {
  try {
    rmdirSync(point)
  } catch {
    // it was not made, or is still busy: a name that is taken costs nothing
  }
}
