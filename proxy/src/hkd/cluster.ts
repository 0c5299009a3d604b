import { createHash } from 'node:crypto'
import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { CgroupLayout } from '../hypervisor/lxc/cgroup.ts'
import { moveToOwnGroup, removeOwnGroup } from '../hypervisor/own-group.ts'
import { programsFor, runAsOwner } from './postgres-programs.ts'
import { clearAfterCrash, findPostmaster } from './postmaster.ts'
import { startFailure } from './start-failure.ts'

/** A folder with the server's unix socket, and the group that may reach it. */
export interface SocketFolder {
  readonly path: string
  readonly gid: number
}

export interface ClusterSettings {
  /** The data folder, `path.database`. */
  readonly data: string
  /** Folder with PostgreSQL's programs by version, `path.postgresql`. */
  readonly programs: string
  /** A file that only a node has which has had a database: without data it is not to be given an empty one. */
  readonly keyFile: string | undefined
  /** The only ways in. */
  readonly sockets: readonly SocketFolder[]
  readonly logFile: string
  /** Whom the cluster runs as. */
  readonly account: Account
  /** `undefined`: it stays in the group it is started in, which is its service manager's. */
  readonly cgroups: CgroupLayout | undefined
  /** OS user of each role, from outside: peer authentication maps them. */
  readonly peers: readonly { readonly osUser: string; readonly role: string }[]
  /** Connections that it takes at once. */
  readonly connections: number
}

export const SUPERUSER = 'postgres'
const START_SECONDS = 60
const LOOK_MS = 1_000
/** Of tries that fail only so many come between two that are made. */
const MOST_PASSED = 10

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
  const { data, account, programs: root } = settings
  const ensure = async (): Promise<void> => {
    const programs = programsFor(data, root)
    if (!existsSync(join(data, 'PG_VERSION'))) await create(settings, programs)
    if (findPostmaster(data) === undefined) await start(settings, programs)
  }
  return {
    ensure,
    supervise: (log) => supervise(() => findPostmaster(data) !== undefined, ensure, log),
    stop: async () => {
      if (findPostmaster(data) === undefined) return
      const stop = ['-D', data, '-w', '-m', 'fast', 'stop']
      await runAsOwner(account, join(programsFor(data, root), 'pg_ctl'), stop)
      if (settings.cgroups !== undefined) removeOwnGroup(settings.cgroups, groupOf(settings))
    },
  }
}

/** What fails again and again for one reason, such as a full disk, is tried ever less often and said once. */
function supervise(isRunning: () => boolean, ensure: () => Promise<void>, log: Log): Disposable {
  let [busy, passing, failures] = [false, 0, 0]
  let said: string | undefined
  const timer = setInterval(() => {
    if (busy || isRunning() || passing-- > 0) return
    busy = true
    if (failures === 0) log.error('postgresql is gone, starting it again')
    ensure()
      .then(() => {
        log.info('postgresql runs again')
        ;[passing, failures, said] = [0, 0, undefined]
      })
      .catch((error: unknown) => {
        passing = Math.min(failures++, MOST_PASSED)
        const reason = error instanceof Error ? error.message : String(error)
        if (reason !== said) log.error('postgresql does not start', { error })
        said = reason
      })
      .finally(() => (busy = false))
  }, LOOK_MS)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

/**
 * Makes the cluster in a draft folder, so that a half-made one is never taken for whole. Never where there is anything, and
 * never where there should be something: an empty folder may be a disk that is not mounted.
 */
async function create(settings: ClusterSettings, programs: string): Promise<void> {
  const { data: folder, keyFile } = settings
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new Fault('database.damaged', { folder, reason: 'it has no file PG_VERSION' })
  if (keyFile !== undefined && existsSync(keyFile))
    throw new Fault('database.missing', { folder, key: keyFile })
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
  await runAsOwner(settings.account, join(programs, 'initdb'), options)
  renameSync(draft, settings.data)
}

async function start(settings: ClusterSettings, programs: string): Promise<void> {
  const { data, account, logFile } = settings
  for (const { path, gid } of settings.sockets) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
    mkdirSync(path, { recursive: true, mode: 0o750 })
    chownSync(path, account.uid, gid)
    chmodSync(path, 0o750)
  }
  mkdirSync(dirname(logFile), { recursive: true, mode: 0o755 })
  writeFileSync(logFile, '', { flag: 'a', mode: 0o640 })
  chownSync(logFile, account.uid, account.gid)
  await clearAfterCrash(
    data,
    settings.sockets.map(({ path }) => path),
  )
  const before = statSync(logFile).size
  try {
    writeSettings(settings)
    const args = ['-D', data, '-w', '-t', String(START_SECONDS), '-l', logFile, 'start']
    await runAsOwner(account, join(programs, 'pg_ctl'), args, { timeoutMs: (START_SECONDS + 10) * 1_000 })
  } catch (error) {
    const said = readFileSync(logFile).subarray(before).toString('utf8')
    const isFull = (error as NodeJS.ErrnoException).code === 'ENOSPC'
    const fault = isFull
      ? new Fault('database.full', { folder: data }, { cause: error })
      : new Fault('database.unavailable', { reason: (error as Error).message }, { cause: error })
    throw startFailure(said, data, error instanceof Fault ? error : fault)
  }
  const pid = findPostmaster(data)
  if (pid !== undefined && settings.cgroups !== undefined)
    moveToOwnGroup(settings.cgroups, groupOf(settings), pid)
}

/** Several nodes on one machine have a cluster each. */
function groupOf({ data }: ClusterSettings): string {
  return `postgres-${createHash('sha256').update(data).digest('hex').slice(0, 8)}`
}

/** Each file whole or not at all: on a full disk an empty one would let nobody in, or everybody. */
function writeSettings({ data, sockets, account, peers, connections }: ClusterSettings): void {
  const files: Record<string, string> = {
    'postgresql.auto.conf': [
      "listen_addresses = ''",
      `unix_socket_directories = '${sockets.map(({ path }) => path).join(', ')}'`,
      'shared_buffers = 32MB',
      `max_connections = ${connections}`,
      'max_wal_size = 256MB',
      'fsync = on',
      'full_page_writes = on',
      'restart_after_crash = on',
      "log_timezone = 'UTC'",
      "timezone = 'UTC'",
      '',
    ].join('\n'),
    'pg_hba.conf': 'local all all peer map=ostler\n',
    'pg_ident.conf': peers.map(({ osUser, role }) => `ostler ${osUser} ${role}\n`).join(''),
  }
  for (const [name, content] of Object.entries(files)) {
    const path = join(data, name)
    // What is right already needs no room.
    if (existsSync(path) && readFileSync(path, 'utf8') === content) continue
    writeWhole(path, content, { mode: 0o600, owner: account })
  }
}
