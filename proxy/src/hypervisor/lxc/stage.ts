import { run, RunError } from '@ostler/kit/run.ts'
import { basename, dirname, join } from 'node:path'
import { NOT_SHIFTED, OVERLAY_PROGRAM, STAGE_PROGRAM } from './stage-program.ts'
import type { UserRange } from './user-range.ts'

/** What of the node a desktop's container is put together from. */
export interface StageParts {
  /** A folder that is there and empty: here stands the stage, in a mount namespace of the container's own. */
  readonly folder: string
  /** As whom the guest's users own what they see; on the disk everything has the guest's own numbers. `undefined`: as those. */
  readonly users: UserRange | undefined
  readonly image: string
  /** What the guest writes, and the kernel's scratch folder for that, which lies beside it. */
  readonly upper: string
  readonly work: string
  readonly home: string
  /** Below it the homes of this and of other desktops are mounted: a copy of such a mount would keep a home that its desktop gave back. */
  readonly homes: string
  readonly display: string
  /** Holds tickets; its owner on the disk must be the guest's root already. */
  readonly boot: string
  /** The agent's bundle, for an image that carries neither an agent nor an init. */
  readonly bundle: string | undefined
  /** The node's /usr, for an image that has none. */
  readonly usr: string | undefined
}

/** Where the container finds them. LXC looks for them as the guest's root, whom other folders of the node do not let in. */
export interface StagePlaces {
  readonly root: string
  readonly home: string
  readonly display: string
  readonly boot: string
  readonly bundle: string | undefined
  readonly usr: string | undefined
}

/** Of mount_setattr(2). */
const READ_ONLY = 1
const NO_SUID = 2
const NO_DEVICES = 4
const NO_PROGRAMS = 8

const PROBE_MS = 10_000

export function stagePlaces(parts: Pick<StageParts, 'folder' | 'bundle' | 'usr'>): StagePlaces {
  const at = (name: string): string => join(parts.folder, name)
  return {
    root: at('root'),
    home: at('home'),
    display: at('display'),
    boot: at('boot'),
    bundle: parts.bundle === undefined ? undefined : at('bundle'),
    usr: parts.usr === undefined ? undefined : at('usr'),
  }
}

/**
 * A command that builds the stage and becomes `program` there. The mounts are in a namespace that only `program` and what
 * it starts live in, so they end with the container, however it ends.
 */
export function stageCommand(parts: StageParts, program: readonly string[]): [string, ...string[]] {
  const places = stagePlaces(parts)
  const at = (name: string): string => join(parts.folder, name)
  return ownNamespace(parts.folder, parts.users, [
    ...bind(parts.image, at('image'), READ_ONLY | NO_DEVICES),
    // Both in one mount, or the kernel refuses them.
    ...bind(dirname(parts.upper), at('overlays'), NO_DEVICES),
    ...['overlay', at('image'), ...[parts.upper, parts.work].map((path) => at(`overlays/${basename(path)}`))],
    places.root,
    ...bind(parts.home, places.home, NO_SUID | NO_DEVICES),
    ...bind(parts.display, places.display, NO_SUID | NO_DEVICES | NO_PROGRAMS),
    ...['show', parts.boot, places.boot, String(READ_ONLY | NO_SUID | NO_DEVICES | NO_PROGRAMS)],
    ...bindIf(parts.bundle, places.bundle, READ_ONLY | NO_SUID | NO_DEVICES),
    ...bindIf(parts.usr, places.usr, READ_ONLY | NO_DEVICES),
    ...['without', parts.homes],
    '--',
    ...program,
  ])
}

/**
 * A command that ends well if a folder can be seen with other owners: not every file system has learnt that.
 * @param folder the stage itself stands for any folder in memory.
 * @param stage a folder that is there and empty.
 */
export function shiftProbe(folder: string, stage: string, users: UserRange): [string, ...string[]] {
  return ownNamespace(stage, users, [...bind(folder, join(stage, 'probe'), READ_ONLY), '--', 'true'])
}

/** Whether folders in memory can be seen with other owners: since Linux 6.3. */
export async function memoryShiftsOwners(stage: string, users: UserRange): Promise<boolean> {
  const [command, ...args] = shiftProbe(stage, stage, users)
  try {
    await run(command, args, { timeoutMs: PROBE_MS })
    return true
  } catch (error) {
    if (error instanceof RunError && error.stderr.includes(NOT_SHIFTED)) return false
    throw error
  }
}

function bind(source: string, place: string, flags: number): string[] {
  return ['bind', source, place, String(flags)]
}

function bindIf(source: string | undefined, place: string | undefined, flags: number): string[] {
  return source === undefined || place === undefined ? [] : bind(source, place, flags)
}

/** The steps, in a namespace of their own, on a small tmpfs: so that even the folders they make are nowhere else. */
function ownNamespace(
  folder: string,
  users: UserRange | undefined,
  steps: readonly string[],
): [string, ...string[]] {
  const owners = users === undefined ? ['0', '0'] : [String(users.first), String(users.count)]
  return [
    'unshare',
    // What the node takes away later is taken away here too; what is made here is not seen there.
    ...['--mount', '--propagation', 'slave', '--'],
    ...['perl', '-e', STAGE_PROGRAM, '--', OVERLAY_PROGRAM, folder, ...owners, ...steps],
  ]
}
