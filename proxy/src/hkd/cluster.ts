import { createHash } from 'node:crypto'
import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { identify } from '@ostler/kit/process-table.ts'
import { run, RunError } from '@ostler/kit/run.ts'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { CgroupLayout } from '../hypervisor/lxc/cgroup.ts'
import { moveToOwnGroup, removeOwnGroup } from './own-group.ts'

export interface ClusterSettings {
  /** The data folder, `path.database`. */
  readonly data: string
  /** Folder of the unix socket: the only way in. */
  readonly sockets: string
  readonly logFile: string
  /** Whom the cluster runs as. */
  readonly account: Account
  /** The group that may reach the socket. */
  readonly clientGid: number
  readonly cgroups: CgroupLayout
  /** OS user of each role, from outside: peer authentication maps them. */
  readonly peers: readonly { readonly osUser: string; readonly role: string }[]
}

export const SUPERUSER = 'postgres'
const START_SECONDS = 60
const LOOK_MS = 1_000

/**
 * The node's private PostgreSQL: one unix socket, its own user, fsync on. It runs on its own: whoever needs it
 * adopts it by its pid file, and hkd's end is not its end.
 */
export interface Cluster {
  /** Makes it if it is not there and starts it if it does not run. */
  ensure(): Promise<void>
  /** Restarts it whenever it is found dead. */
  supervise(log: Log): Disposable
  /** Stops it; open transactions are rolled back. */
  stop(): Promise<void>
}

export function privateCluster(settings: ClusterSettings): Cluster {
  const ensure = async (): Promise<void> => {
    const programs = programsFor(settings.data)
    if (!existsSync(join(settings.data, 'PG_VERSION'))) await create(settings, programs)
    if (isRunning(settings.data)) return
    await start(settings, programs)
  }
  return {
    ensure,
    supervise: (log) => {
      let busy = false
      const timer = setInterval(() => {
        if (busy || isRunning(settings.data)) return
        busy = true
        log.error('postgresql is gone, starting it again')
        ensure()
          .then(() => log.info('postgresql runs again'))
          .catch((error: unknown) => log.error('postgresql does not start', { error }))
          .finally(() => (busy = false))
      }, LOOK_MS)
      return { [Symbol.dispose]: () => clearInterval(timer) }
    },
    stop: async () => {
      if (!isRunning(settings.data)) return
      const programs = programsFor(settings.data)
      await runAs(settings, join(programs, 'pg_ctl'), ['-D', settings.data, '-w', '-m', 'fast', 'stop'])
      removeOwnGroup(settings.cgroups, groupOf(settings))
    },
  }
}

/** Finds the programs: of the version that made the data, else the newest. */
function programsFor(data: string): string {
  const root = '/usr/lib/postgresql'
  const installed = existsSync(root)
    ? readdirSync(root)
        .map(Number)
        .filter((version) => version >= 15)
    : []
  const made = existsSync(join(data, 'PG_VERSION'))
    ? Number(readFileSync(join(data, 'PG_VERSION'), 'utf8'))
    : undefined
  const version = made ?? Math.max(...installed)
  const programs = join(root, String(version), 'bin')
  if (!existsSync(join(programs, 'initdb')))
    throw new Fault('node.missingProgram', {
      program: 'initdb of PostgreSQL',
      packages: made === undefined ? 'postgresql' : `postgresql-${made}`,
    })
  return programs
}

/** Makes the cluster in a draft folder, so that a half-made one is never taken for whole. */
async function create(settings: ClusterSettings, programs: string): Promise<void> {
  const draft = `${settings.data}.new`
  rmSync(draft, { recursive: true, force: true })
  mkdirSync(dirname(draft), { recursive: true, mode: 0o755 })
  mkdirSync(draft, { recursive: true, mode: 0o700 })
  chownSync(draft, settings.account.uid, settings.account.gid)
  const options = [
    '-D',
    draft,
    '-U',
    SUPERUSER,
    '-A',
    'peer',
    '-E',
    'UTF8',
    '--locale=C.UTF-8',
    '--data-checksums',
  ]
  await runAs(settings, join(programs, 'initdb'), options)
  renameSync(draft, settings.data)
}

async function start(settings: ClusterSettings, programs: string): Promise<void> {
  mkdirSync(settings.sockets, { recursive: true, mode: 0o750 })
  chownSync(settings.sockets, settings.account.uid, settings.clientGid)
  chmodSync(settings.sockets, 0o750)
  mkdirSync(dirname(settings.logFile), { recursive: true, mode: 0o755 })
  writeFileSync(settings.logFile, '', { flag: 'a', mode: 0o640 })
  chownSync(settings.logFile, settings.account.uid, settings.account.gid)
  writeSettings(settings)
  await runAs(
    settings,
    join(programs, 'pg_ctl'),
    ['-D', settings.data, '-w', '-t', String(START_SECONDS), '-l', settings.logFile, 'start'],
    (START_SECONDS + 10) * 1_000,
  )
  moveToOwnGroup(settings.cgroups, groupOf(settings), postmaster(settings.data))
}

/** Several nodes on one machine have a cluster each. */
function groupOf({ data }: ClusterSettings): string {
  return `postgres-${createHash('sha256').update(data).digest('hex').slice(0, 8)}`
}

function postmaster(data: string): number {
  return Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0])
}

function writeSettings({ data, sockets, account, peers }: ClusterSettings): void {
  const files: Record<string, string> = {
    'postgresql.auto.conf': [
      "listen_addresses = ''",
      `unix_socket_directories = '${sockets}'`,
      'shared_buffers = 32MB',
      'max_connections = 60',
      'fsync = on',
      "log_timezone = 'UTC'",
      "timezone = 'UTC'",
      '',
    ].join('\n'),
    'pg_hba.conf': 'local all all peer map=ostler\n',
    'pg_ident.conf': peers.map(({ osUser, role }) => `ostler ${osUser} ${role}\n`).join(''),
  }
  for (const [name, content] of Object.entries(files)) {
    const path = join(data, name)
    writeFileSync(path, content, { mode: 0o600 })
    chownSync(path, account.uid, account.gid)
  }
}

/** True when the postmaster that holds the data folder lives. */
function isRunning(data: string): boolean {
  try {
    const pid = postmaster(data)
    const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
    // After a power loss the number may be another server's.
    const here = readlinkSync(`/proc/${pid}/cwd`) === realpathSync(data)
    return identify(pid) !== undefined && name === 'postgres' && here
  } catch {
    return false
  }
}

async function runAs(
  { account }: ClusterSettings,
  program: string,
  args: readonly string[],
  timeoutMs = 60_000,
): Promise<void> {
  try {
    await run(
      'setpriv',
      [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups', '--', program, ...args],
      { timeoutMs, cwd: '/' },
    )
  } catch (cause) {
    const reason = cause instanceof RunError ? cause.message : String(cause)
    throw new Fault('database.unavailable', { reason }, { cause })
  }
}
