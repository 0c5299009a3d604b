import { Fault } from '@ostler/contract/fault.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { identify, isAlive, type ProcessIdentity, signalProcess } from '@ostler/kit/process-table.ts'
import { DEFAULT_ENV, run, RunError } from '@ostler/kit/run.ts'
import { spawn } from 'node:child_process'
import {
  closeSync,
  constants,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { overlayLockName, type PlacedOverlay, userOverlayLockName } from '../../model/storage-layout.ts'
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

/** Whose overlay is to be locked. One that goes with a user is hers also while another of her desktops has it. */
type Locked = { readonly id: number } & Partial<Pick<PlacedOverlay, 'ownerId' | 'flavour' | 'overlay'>>

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
  desktop: Locked & { readonly epoch: number },
  cgroups?: CgroupLayout,
): Promise<void> {
  await freeOverlay(folder, node, desktop.id)
  using locks = await openLocks(folder, desktop)
  // The lock belongs to the open file: whoever keeps that open keeps the lock.
  const keeper = spawn('sleep', ['infinity'], {
    argv0: `${keeperName(node)}${desktop.id}`,
    stdio: ['ignore', 'ignore', 'ignore', ...locks.files],
    env: DEFAULT_ENV,
    cwd: '/',
    detached: true,
  })
  keeper.unref()
  const pid = keeper.pid ?? 0
  if (cgroups !== undefined) setApart(cgroups, pid)
  const startTicks = identify(pid)?.startTicks ?? 0
  const holder: Holder = { node, vm: desktop.id, epoch: desktop.epoch, pid, startTicks }
  for (const fd of locks.files) {
    ftruncateSync(fd, 0)
    writeSync(fd, `${JSON.stringify(holder)}\n`, 0)
  }
}

/** Does something to the overlay of a desktop at rest while nobody else can have it. @throws Fault `overlay.locked`. */
export async function whileLocked<T>(
  folder: string,
  node: string,
  desktop: Locked,
  work: () => Promise<T>,
): Promise<T> {
  await freeOverlay(folder, node, desktop.id)
  using _locks = await openLocks(folder, desktop)
  return await work()
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

/** What processes that hold locks of a node are called. */
function keeperName(node: string): string {
  return `ostler-overlay ${node}/`
}

/** Numbers of all processes of this machine that hold locks of a node, found without any folder of the storage. */
export function overlayKeepersOf(node: string): number[] {
  const isKeeper = (pid: number): boolean => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(keeperName(node))
    } catch {
      return false // it has ended
    }
  }
  return readdirSync('/proc').map(Number).filter(Number.isInteger).filter(isKeeper)
}

/** The process of this node that holds the lock. */
function keeperOf(folder: string, node: string, id: number): ProcessIdentity | undefined {
  const holder = readHolder(join(folder, overlayLockName(id)))
  if (holder?.node !== node || holder.vm !== id) return undefined
  const keeper = identify(holder.pid)
  return keeper?.startTicks === holder.startTicks ? keeper : undefined
}

/** The lock files of a desktop, open and locked until they are closed, here and by whoever got them. */
async function openLocks(
  folder: string,
  { id, ownerId, flavour, overlay }: Locked,
): Promise<Disposable & { readonly files: readonly number[] }> {
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const names = [overlayLockName(id)]
  if (overlay === 'user' && ownerId !== undefined && flavour !== undefined)
    names.push(userOverlayLockName({ ownerId, flavour }))
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants
  const files: number[] = []
  const locks = { files, [Symbol.dispose]: () => files.forEach((fd) => closeSync(fd)) }
  try {
    for (const name of names) {
      const path = join(folder, name)
      const fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600)
      files.push(fd)
      await lock(fd, path)
    }
    return locks
  } catch (error) {
    locks[Symbol.dispose]()
    throw error
  }
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
