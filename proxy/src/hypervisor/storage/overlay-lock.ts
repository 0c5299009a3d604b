import { Fault } from '@ostler/contract/fault.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { identify, isAlive, type ProcessIdentity, signalProcess } from '@ostler/kit/process-table.ts'
import { DEFAULT_ENV, run, RunError } from '@ostler/kit/run.ts'
import { spawn } from 'node:child_process'
import { closeSync, constants, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { overlayLockName } from '../../model/storage-layout.ts'
import { setApart } from '../desktop-group.ts'
import type { CgroupLayout } from '../lxc/cgroup.ts'

/** flock(1) says with it that somebody else holds the lock. */
const HELD_EXIT = 75
const END_MS = 2_000

/** Who has an overlay, as it stands in the lock file for people, and for us after a restart. */
interface Holder {
  readonly node: string
  readonly vm: number
  readonly epoch: number
  readonly pid: number
  readonly startTicks: number
}

/**
 * Takes the overlay of a desktop for a boot: a lock (flock) on a file beside it, so that nobody who shares the storage, whatever
 * database he has, writes to the same overlay. A small process holds it, since hkd may be started anew while the desktop
 * runs; it ends with `freeOverlay`, or with the node.
 *
 * @param folder where the overlays are.
 * @param cgroups where that process gets out of our own group.
 * @throws Fault `overlay.locked` with who has it. What this node's earlier boot of the same desktop holds is taken over: who calls
 *   knows that it runs no more.
 */
export async function lockOverlay(
  folder: string,
  node: string,
  desktop: { readonly id: number; readonly epoch: number },
  cgroups?: CgroupLayout,
): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const path = join(folder, overlayLockName(desktop.id))
  await freeOverlay(folder, node, desktop.id)
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants
  const fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600)
  try {
    await lock(fd, path)
    // The lock belongs to the open file: whoever keeps that open keeps the lock.
    const keeper = spawn('sleep', ['infinity'], {
      argv0: `ostler-overlay ${node}/${desktop.id}`,
      stdio: ['ignore', 'ignore', 'ignore', fd],
      env: DEFAULT_ENV,
      cwd: '/',
      detached: true,
    })
    keeper.unref()
    const pid = keeper.pid ?? 0
    if (cgroups !== undefined) setApart(cgroups, pid)
    const startTicks = identify(pid)?.startTicks ?? 0
    const holder: Holder = { node, vm: desktop.id, epoch: desktop.epoch, pid, startTicks }
    ftruncateSync(fd, 0)
    writeSync(fd, `${JSON.stringify(holder)}\n`, 0)
  } finally {
    closeSync(fd)
  }
}

/** Whether this node has the overlay of a desktop. */
export function hasOverlay(folder: string, node: string, id: number): boolean {
  return keeperOf(folder, node, id) !== undefined
}

/** Frees the overlay of a desktop, if this node has it. */
export async function freeOverlay(folder: string, node: string, id: number): Promise<void> {
  const keeper = keeperOf(folder, node, id)
  if (keeper === undefined) return
  signalProcess(keeper, 'SIGKILL')
  await comesToHold(() => !isAlive(keeper), END_MS, 2)
}

/** The process of this node that holds the lock. */
function keeperOf(folder: string, node: string, id: number): ProcessIdentity | undefined {
  const holder = readHolder(join(folder, overlayLockName(id)))
  if (holder?.node !== node || holder.vm !== id) return undefined
  const keeper = identify(holder.pid)
  return keeper?.startTicks === holder.startTicks ? keeper : undefined
}

async function lock(fd: number, path: string): Promise<void> {
  try {
    await run('flock', ['--exclusive', '--nonblock', '--conflict-exit-code', String(HELD_EXIT), '3'], {
      files: [fd],
    })
  } catch (error) {
    if (!(error instanceof RunError) || error.exitCode !== HELD_EXIT) throw error
    throw new Fault('overlay.locked', { holder: inWords(readHolder(path)), file: path })
  }
}

function readHolder(path: string): Holder | undefined {
  try {
    const said = JSON.parse(readFileSync(path, 'utf8')) as Partial<Holder>
    const { node, vm, epoch, pid, startTicks } = said
    const isWhole =
      typeof node === 'string' && [vm, epoch, pid, startTicks].every((value) => typeof value === 'number')
    return isWhole ? (said as Holder) : undefined
  } catch {
    return undefined
  }
}

function inWords(holder: Holder | undefined): string {
  return holder === undefined
    ? 'somebody who does not say so'
    : `node ${holder.node}, for boot ${holder.epoch} of desktop ${holder.vm}`
}
