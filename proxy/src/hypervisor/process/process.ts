import { Fault } from '@ostler/contract/fault.ts'
import { AGENT_SOCKET } from '@ostler/contract/identity.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { signalProcess } from '@ostler/kit/process-table.ts'
import { DEFAULT_ENV } from '@ostler/kit/run.ts'
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readlinkSync, readSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Writable } from 'node:stream'
import { runFolder } from '../../model/run-folder.ts'
import { enterGroup, type GroupLimits } from '../desktop-group.ts'
import { consoleTail, GUEST_CONSOLE_FILE } from '../console-tail.ts'
import { diskWarning, groupDiskLimits } from '../disk-limits.ts'
import type { DesktopSpec, Hypervisor } from '../hypervisor.ts'
import { imageFolder } from '../image-folder.ts'
import { overlayFolder, overlaysOf, readyOverlay, removeOverlays } from '../overlays.ts'
import { type CgroupLayout, killGroup, removeGroups } from '../lxc/cgroup.ts'
import { type HomeOwner, homeOf } from '../homes/home-place.ts'
import { makeRunFolder, removeRunFolder } from '../run-folders.ts'
import { fillOverlay } from './private-files.ts'
import { sandboxCommand, SOLE_UID } from './sandbox.ts'
import { findSandbox, KnownSandboxes } from './sandbox-processes.ts'

export interface ProcessSettings {
  /** Begins the names of control groups. */
  readonly prefix: string
  readonly run: string
  readonly images: string
  readonly overlays: string
  readonly homes: string
  readonly bundle: string
  /** The group that may pass through the run folders to the displays. */
  readonly displayGid: number
  /**
   * Where we are root: the user number of the first person on the node, and how the control groups are mounted. `undefined`: we
   * are an ordinary user, and so is every desktop.
   */
  readonly root: { readonly firstUid: number; readonly cgroups: CgroupLayout } | undefined
}

const START_MS = 20_000
const END_MS = 5_000
const MAX_PROCESSES = 2_048
const MAX_WORDS = 4_096
/** Where a sandbox waits for a word before it begins, and of that the number in `stdio`. */
const GATE = 3
/**
 * Begins only once it was told to, in its control group. Whoever ends without a word, hkd that dies say, has told nothing: a desktop
 * outside of its group has no limits, and the fence would not find it.
 */
const GATED = ['/bin/sh', '-c', `read -r _ <&${GATE} || exit 1; exec "$@" ${GATE}<&-`, 'sh']
/** What the first process is before the init is reached. */
const ON_THE_WAY = ['bwrap', 'prlimit', 'setpriv']

/**
 * Desktops as bubblewrap's sandboxes: a namespace of each kind, no network but loopback, the image read-only, one user who owns
 * all that runs inside. Needs no root. With root, each person's desktops are a user of their own, in a control group.
 */
export function processHypervisor(settings: ProcessSettings): Hypervisor {
  const known = new KnownSandboxes()
  const folderOf = (id: number): string => runFolder(settings.run, id).root
  const groupOf = (id: number): string => `${settings.prefix}${id}`
  const ownerOf = (spec: DesktopSpec): HomeOwner => ownerOnNode(settings.root, spec)
  /** Where a desktop reads and writes. */
  const foldersOf = (spec: DesktopSpec): string[] => [
    spec.image.kind === 'directory' ? spec.image.path : settings.images,
    overlayFolder(settings.overlays, snapshotOf(spec)),
    homeOf(settings, spec),
  ]
  const killOnce = (id: number): void => {
    const { inits, keepers } = findSandbox(folderOf(id))
    // The first process takes all others with it; what holds it from outside follows, or is killed where it stands.
    for (const process_ of [...inits, ...keepers]) signalProcess(process_, 'SIGKILL')
    if (settings.root !== undefined) killGroup(settings.root.cgroups, groupOf(id))
  }
  const killAll = (id: number): Promise<boolean> =>
    comesToHold(
      () => {
        killOnce(id)
        return !known.isThere(folderOf(id))
      },
      END_MS,
      5,
    )

  return {
    name: 'process',

    prepare: async (spec) => {
      const image = await imageFolder(settings.images, spec)
      const owner = ownerOf(spec)
      const inside = settings.root === undefined ? { uid: SOLE_UID, gid: SOLE_UID } : owner
      const overlay = await readyOverlay(settings.overlays, snapshotOf(spec))
      await fillOverlay(overlay, image, spec, { name: spec.login, ...inside }, owner)
      await makeRunFolder(settings.run, spec.id, 'process', settings.displayGid, owner)
    },

    boot: async (spec) => {
      const folder = runFolder(settings.run, spec.id)
      if (known.isThere(folder.root)) return
      const failed = (reason: string, cause?: unknown): Fault =>
        new Fault('container.failed', { desktop: spec.id, reason }, { cause })
      if (!existsSync(folder.boot)) throw failed('it was not prepared')
      const command = sandboxCommand({
        hostname: spec.name,
        image: await imageFolder(settings.images, spec),
        sharesUsr: spec.image.kind === 'instant',
        overlay: overlayFolder(settings.overlays, snapshotOf(spec)),
        home: homeOf(settings, spec),
        run: folder,
        bundle: settings.bundle,
        user: settings.root === undefined ? undefined : ownerOf(spec),
        memoryMb: spec.flavour.memoryMb,
        processes: MAX_PROCESSES,
      })
      const words = openWords(join(folder.display, 'start.log'))
      try {
        const child = launch(command, words, settings.root !== undefined)
        if (settings.root !== undefined)
          limit(child, settings.root.cgroups, groupOf(spec.id), {
            ...spec.flavour,
            processes: MAX_PROCESSES,
            disks: groupDiskLimits(settings.root.cgroups, spec.flavour.diskRates, foldersOf(spec)),
          })
        await untilInit(child, folder.root)
      } catch (cause) {
        await killAll(spec.id)
        throw failed(firstOf(words) ?? (cause instanceof Error ? cause.message : String(cause)), cause)
      } finally {
        closeSync(words)
      }
    },

    consoleTail: (id) => {
      const { display } = runFolder(settings.run, id)
      return consoleTail([join(display, 'start.log'), join(display, GUEST_CONSOLE_FILE)])
    },

    observe: (id) =>
      known.isThere(folderOf(id))
        ? {
            processes: 'present',
            agentAt: { socketPath: join(runFolder(settings.run, id).display, AGENT_SOCKET) },
          }
        : { processes: 'absent' },

    powerOff: (id) => {
      for (const init of findSandbox(folderOf(id)).inits) signalProcess(init, 'SIGTERM')
      return Promise.resolve()
    },

    kill: async (id) => {
      await killAll(id)
    },

    release: async (id) => {
      const folder = runFolder(settings.run, id)
      if (settings.root !== undefined) await removeGroups(settings.root.cgroups, groupOf(id))
      await removeRunFolder(folder, [folder.display])
    },

    reset: (id) => removeOverlays(settings.overlays, id),
    written: (id) => Promise.resolve(overlaysOf(settings.overlays, id)),

    warning: (spec) => diskWarning(settings.root?.cgroups, spec.flavour.diskRates, foldersOf(spec)),
  }
}

/** It keeps no overlays. */
function snapshotOf(spec: DesktopSpec): DesktopSpec {
  return { ...spec, overlay: 'snapshot' }
}

/** Who a desktop's programs are on the node, and so whose its home is. @param root as in the settings. */
export function ownerOnNode(
  root: Pick<NonNullable<ProcessSettings['root']>, 'firstUid'> | undefined,
  { ownerId }: Pick<DesktopSpec, 'ownerId'>,
): HomeOwner {
  if (root === undefined) return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  const uid = root.firstUid + ownerId
  return { uid, gid: uid }
}

/** A new file for what is said at a start: where the guest may write, so that its words cannot fill the node's disk. */
function openWords(path: string): number {
  rmSync(path, { force: true })
  return openSync(path, 'wx+', 0o600)
}

/** Starts bubblewrap, which then needs us no more. */
function launch(command: string[], words: number, waits: boolean): ChildProcess {
  const [program = '', ...args] = waits ? [...GATED, ...command] : command
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', words, ...(waits ? (['pipe'] as const) : [])],
    env: DEFAULT_ENV,
    cwd: '/',
    detached: true,
  })
  child.unref()
  return child
}

/** Puts a sandbox that waits into its control group, and lets it go on. */
function limit(child: ChildProcess, cgroups: CgroupLayout, group: string, limits: GroupLimits): void {
  const gate = child.stdio[GATE] as Writable
  gate.on('error', () => gate.destroy()) // it has ended, which is heard elsewhere
  if (child.pid === undefined) return
  enterGroup(cgroups, group, limits, [child.pid])
  gate.end('go\n')
}

/** Waits until the init runs. @throws Error when it does not come. */
async function untilInit(child: ChildProcess, folder: string): Promise<void> {
  const failure: { error?: Error } = {}
  child.once('error', (error) => (failure.error = error))
  const runs = (): boolean =>
    findSandbox(folder).inits.some(({ pid }) => !ON_THE_WAY.includes(basename(programOf(pid))))
  const settled = (): boolean => runs() || hasEnded(child) || failure.error !== undefined
  if (!(await comesToHold(settled, START_MS, 4))) throw new Error('it does not start')
  if (failure.error !== undefined) throw failure.error
  if (hasEnded(child)) throw new Error(`bubblewrap ended with ${child.exitCode ?? child.signalCode ?? ''}`)
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
}

function programOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`)
  } catch {
    return 'bwrap' // it has ended, or is not there yet
  }
}

/** The first line of what was said; the guest may have written it. */
function firstOf(words: number): string | undefined {
  const bytes = Buffer.alloc(MAX_WORDS)
  const line = bytes
    .toString('utf8', 0, readSync(words, bytes, 0, MAX_WORDS, 0))
    .split('\n')[0]
    ?.trim()
  return line === '' ? undefined : line
}
