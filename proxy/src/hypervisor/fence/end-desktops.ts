import { comesToHold } from '@ostler/kit/poll.ts'
import { run, RunError } from '@ostler/kit/run.ts'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CgroupLayout, killGroup, observeGroup, processesIn } from '../lxc/cgroup.ts'
import { overlayKeepersOf } from '../storage/overlay-lock.ts'

export interface EndSettings {
  readonly cgroups: CgroupLayout
  /** `internal.vm.name.prefix` */
  readonly prefix: string
  /** `nodename`, which stands in the locks of overlays. */
  readonly node: string
  /** Below this are the mounts of homes. */
  readonly homes: string
  /** Name of the control group of the processes that keep homes locked. */
  readonly homeKeepers: string
  /** What desktops are connected to. */
  readonly bridge: string
}

const DEAD_MS = 3_000
const COMMAND_MS = 2_000

/**
 * Ends every desktop of a node that is in a control group: its network, its processes, the mounts of its home. The locks on homes
 * and overlays go last, and only when nothing is left that could write: until then another node is refused them.
 *
 * @throws Error when something is left.
 */
export async function endDesktops(settings: EndSettings): Promise<void> {
  const { cgroups } = settings
  const desktops = desktopsIn(settings)
  for (const name of desktops) killGroup(cgroups, name)
  // A network that cannot be cut keeps nothing else from its end.
  const [cut, isQuiet] = await Promise.all([
    setBridge(settings, 'down').catch((error: unknown) => ({ error })),
    comesToHold(isDead, DEAD_MS, 10),
  ])
  if (!isQuiet) throw new Error(`processes of desktops do not end: ${desktops.filter(isLeft).join(', ')}`)
  await unmountBelow(settings.homes)
  const keepers = [
    ...processesIn(join(cgroups.counted, 'ostler', settings.homeKeepers)),
    ...overlayKeepersOf(settings.node),
  ]
  for (const pid of keepers) kill(pid)
  if (cut !== undefined) throw cut.error

  function isLeft(name: string): boolean {
    return observeGroup(cgroups, name) !== 'absent'
  }
  function isDead(): boolean {
    const left = desktops.filter(isLeft)
    for (const name of left) killGroup(cgroups, name)
    return left.length === 0
  }
}

/** Desktops that start from now on reach the network again. */
export async function reopenNetwork(settings: Pick<EndSettings, 'bridge'>): Promise<void> {
  await setBridge(settings, 'up')
}

/** Names of desktops that have control groups, without what else is there. */
function desktopsIn({ cgroups, prefix }: EndSettings): string[] {
  const all = join(cgroups.counted, 'ostler')
  if (!existsSync(all)) return []
  return readdirSync(all).filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
}

/** What is not there cannot be cut. */
async function setBridge({ bridge }: Pick<EndSettings, 'bridge'>, to: 'up' | 'down'): Promise<void> {
  await run('ip', ['link', 'set', 'dev', bridge, to], { timeoutMs: COMMAND_MS }).catch((error: unknown) => {
    if (!(error instanceof RunError && /Cannot find device/.test(error.stderr))) throw error
  })
}

/** The innermost first. One that is still in use is taken out of the tree: who uses it is dead, or dies in the kernel. */
async function unmountBelow(folder: string): Promise<void> {
  const points = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => (line.split(' ')[1] ?? '').replaceAll('\\040', ' '))
    .filter((point) => point.startsWith(`${folder}/`))
    .toSorted((a, b) => b.length - a.length)
  for (const point of points)
    await run('umount', ['--', point], { timeoutMs: COMMAND_MS }).catch(() =>
      run('umount', ['--lazy', '--', point], { timeoutMs: COMMAND_MS }),
    )
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it has ended
  }
}
