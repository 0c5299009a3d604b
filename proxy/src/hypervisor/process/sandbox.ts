import { GUEST_BOOT_FOLDER, GUEST_BUNDLE_FOLDER, GUEST_DISPLAY_FOLDER } from '@ostler/contract/identity.ts'
import { existsSync, lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { RunFolder } from '../../model/run-folder.ts'

/** Everything that bubblewrap is told about one desktop. */
export interface SandboxSetup {
  readonly hostname: string
  /** The root of the image's system. */
  readonly image: string
  /** True when the image has no /usr of its own and sees the node's. */
  readonly sharesUsr: boolean
  /** Holds `etc` and `var`, which the desktop may write to. */
  readonly overlay: string
  readonly home: string
  readonly run: RunFolder
  /** The agent's bundle on the node. */
  readonly bundle: string
  /** Who the desktop's programs are: a user of the node's, changed to by us who are root; `undefined`: we ourselves. */
  readonly user: { readonly uid: number; readonly gid: number } | undefined
  readonly memoryMb: number
  readonly processes: number
}

/** What the one user of a desktop is numbered inside, where we are not root. */
export const SOLE_UID = 1_000

/** Folders of the image that a desktop gets in another way, or not at all. */
const OWN_FOLDERS = ['dev', 'proc', 'sys', 'run', 'tmp', 'home', 'etc', 'var', 'opt', 'usr', 'root', 'boot']
const GUEST_INIT = `${GUEST_BUNDLE_FOLDER}/ostler-init`
const MEGABYTE = 2 ** 20

/**
 * By what the processes that hold a sandbox are found again: two arguments that stand beside each other in the command line of
 * bubblewrap, and of the first process in it.
 * @param folder the desktop's run folder.
 */
export function initCommand(folder: string): readonly [string, string] {
  return [GUEST_INIT, folder]
}

/** The command line of a sandbox. Its first process is the bundle's init, whose parent is bubblewrap. */
export function sandboxCommand(setup: SandboxSetup): string[] {
  const { user, run, image } = setup
  return [
    'bwrap',
    ...(user === undefined ? ['--unshare-user', '--uid', String(SOLE_UID), '--gid', String(SOLE_UID)] : []),
    ...['--unshare-pid', '--unshare-net', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    ...['--hostname', setup.hostname, '--new-session', '--as-pid-1'],
    ...['--clearenv', '--setenv', 'container', 'bwrap', '--setenv', 'PATH', '/usr/sbin:/usr/bin:/sbin:/bin'],
    ...systemMounts(setup),
    ...['--proc', '/proc', '--dev', '/dev', '--perms', '1777', '--tmpfs', '/dev/shm'],
    ...memoryFolder('/run', 64),
    ...memoryFolder('/tmp', Math.max(16, Math.floor(setup.memoryMb / 2))),
    ...['--bind', join(setup.overlay, 'etc'), '/etc', '--bind', join(setup.overlay, 'var'), '/var'],
    ...(existsSync(join(image, 'var/lib')) ? ['--ro-bind', join(image, 'var/lib'), '/var/lib'] : []),
    ...['--bind', setup.home, '/home'],
    ...['--perms', '1777', '--dir', dirname(GUEST_BOOT_FOLDER)],
    ...['--ro-bind', run.boot, GUEST_BOOT_FOLDER, '--bind', run.display, GUEST_DISPLAY_FOLDER],
    // A folder that bubblewrap makes on the way to another is root's alone.
    ...['--perms', '0755', '--dir', dirname(GUEST_BUNDLE_FOLDER)],
    ...optFolders(image),
    ...['--ro-bind', setup.bundle, GUEST_BUNDLE_FOLDER],
    ...['--remount-ro', '/'],
    ...limits(setup),
    ...becomeUser(user),
    ...initCommand(run.root),
  ]
}

/** The image's own folders, read-only, and its links. */
function systemMounts({ image, sharesUsr }: SandboxSetup): string[] {
  const usr = sharesUsr
    ? ['--ro-bind', '/usr', '/usr', '--size', '4096', '--tmpfs', '/usr/local', '--remount-ro', '/usr/local']
    : ['--ro-bind', join(image, 'usr'), '/usr']
  const others = readdirSync(image)
    .filter((name) => !OWN_FOLDERS.includes(name))
    .flatMap((name) => {
      const path = join(image, name)
      const stat = lstatSync(path)
      if (stat.isSymbolicLink()) return ['--symlink', readlinkSync(path), `/${name}`]
      return stat.isDirectory() ? ['--ro-bind', path, `/${name}`] : []
    })
  return [...usr, ...others, '--perms', '0700', '--dir', '/root']
}

/** What an image has in /opt, beside which the bundle appears. */
function optFolders(image: string): string[] {
  const opt = join(image, 'opt')
  const names = existsSync(opt) ? readdirSync(opt) : []
  return names
    .filter((name) => `/opt/${name}` !== GUEST_BUNDLE_FOLDER)
    .flatMap((name) => ['--ro-bind', join(opt, name), `/opt/${name}`])
}

function memoryFolder(path: string, megabytes: number): string[] {
  return ['--perms', '1777', '--size', String(megabytes * MEGABYTE), '--tmpfs', path]
}

/** Limits of each process, where no control group limits them together; the number of processes in either case. */
function limits({ user, memoryMb, processes }: SandboxSetup): string[] {
  const memory = user === undefined ? [`--data=${memoryMb * MEGABYTE}`, `--nproc=${processes}`] : []
  return ['prlimit', '--core=0', ...memory]
}

/** What holds the sandbox ends with bubblewrap, which no program inside can reach. */
function becomeUser(user: SandboxSetup['user']): string[] {
  const change =
    user === undefined
      ? []
      : [
          `--reuid=${user.uid}`,
          `--regid=${user.gid}`,
          '--clear-groups',
          '--inh-caps=-all',
          '--bounding-set=-all',
        ]
  return ['setpriv', '--pdeathsig', 'KILL', '--no-new-privs', ...change]
}
