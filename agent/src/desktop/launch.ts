import { Fault } from '@ostler/contract/fault.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { identify, type ProcessIdentity } from '@ostler/kit/process-table.ts'
import type { ChildProcess } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { AgentValues } from '../config/options.ts'
import type { AsUser } from '../platform/linux/as-user.ts'
import { slaveEnvironment } from '../slave/environment.ts'
import { isSoleUser } from '../user/sole-user.ts'
import { freeName } from './free-name.ts'
import { nxOptionLine } from './nxagent-options.ts'
import type { SessionRequest } from './request.ts'
import { xAuthority } from './x-authority.ts'

/** Where nxagent and the session have their files and sockets. */
export interface NxPlaces {
  /** nxagent's words. On a file system in memory: a full disk must not hide the session's state from us. */
  readonly log: string
  readonly authority: string
  /** nxagent's socket in the display folder; `undefined` when it is to listen on TCP. */
  readonly socket: string | undefined
}

/** The files of a session below `path.run`. */
export function nxPlaces(config: AgentValues, socket: string | undefined): NxPlaces {
  const run = config['path.run']
  return { log: join(run, 'nxagent.log'), authority: join(run, 'Xauthority'), socket }
}

/** The folder of our own programs. */
const BUNDLE = dirname(process.argv[1] ?? '')

/**
 * Starts xinit, nxagent and the session program as the user, in a session of their own that does not need us,
 * with nxagent's words in a log file of root's.
 *
 * @returns xinit, which lives as long as the session.
 * @throws Fault `session.failed` when it cannot be started.
 */
export function launch(
  config: AgentValues,
  places: NxPlaces,
  asUser: AsUser,
  account: Account,
  request: SessionRequest,
  environment: Readonly<Record<string, string>>,
): { root: ProcessIdentity; child: ChildProcess } {
  const display = config['internal.nxagent.display']
  for (const command of [config['command.nxagent'], config['command.x-session']])
    if (command.startsWith('/') && !existsSync(command))
      throw new Fault('session.failed', { reason: `${command} is not in this desktop` })
  makeXSocketFolder()
  removeLeftovers(display)
  // A new file each time: who had the last one may still have it open, and may have opened it for all.
  writeWhole(places.authority, xAuthority([display, display + 1]), { mode: 0o600, owner: account })
  writeOptions(config, places, account, request)
  rmSync(places.log, { force: true })
  const output = openSync(places.log, 'ax', 0o640)
  linkLog(places.log, join(config['path.log'], 'qvd-nxagent.log'))
  const child = asUser(
    account,
    config['command.xinit'],
    [
      join(BUNDLE, 'ostler-session'),
      config['vma.user.umask'],
      config['command.x-session'],
      ...words(config['command.x-session.args.extra']),
      '--',
      config['command.nxagent'],
      `:${display}`,
      ...(request.application ? ['-R'] : []),
      '-nolisten',
      'tcp',
      '-auth',
      places.authority,
      '-name',
      'QVD',
      '-display',
      `nx/nx,options=${config['internal.vma.nxagent.config']}:${display}`,
      ...words(config['command.nxagent.args.extra']),
    ],
    {
      env: {
        ...environment,
        XAUTHORITY: places.authority,
        NX_CLIENT: config['command.nxdiag'],
        ...(config['vma.slave.enable'] ? slaveEnvironment(config, BUNDLE) : {}),
      },
      stdio: ['ignore', output, output],
    },
  )
  closeSync(output)
  child.unref()
  child.once('error', () => {}) // told by the missing process below
  const root = child.pid === undefined ? undefined : identify(child.pid)
  if (root === undefined) {
    const end = child.pid === undefined ? 'could not be started' : 'ended at once'
    throw new Fault('session.failed', { reason: `${config['command.setpriv']} ${end}` })
  }
  return { root, child }
}

/** Writes nxagent's option file, which it reads at its start and again at every resume. */
export function writeOptions(
  config: AgentValues,
  places: NxPlaces,
  account: Account,
  request: SessionRequest,
): void {
  // A seed's screen has no window manager: nxagent keeps to the wanted size only when it fills the screen.
  const filling = request.display !== 'nx'
  const line = nxOptionLine(
    filling ? { ...request, client: { ...request.client, fullscreen: true } } : request,
    {
      socket: places.socket,
      display: config['internal.nxagent.display'],
      tolerance: config['internal.vma.nxagent.tolerancechecks'],
      slave: config['vma.slave.enable'],
      audio: config['vma.audio.enable'],
    },
  )
  const file = config['internal.vma.nxagent.config']
  mkdirSync(dirname(file), { recursive: true, mode: 0o755 })
  writeFileSync(file, line, { mode: 0o640 })
  if (isSoleUser()) return // both are hers already
  chownSync(file, 0, account.gid)
  if (places.socket === undefined) return
  // The user makes her socket here and cannot list the folder; the node side only passes through.
  chownSync(dirname(places.socket), 0, account.gid)
  chmodSync(dirname(places.socket), 0o731)
}

/** Shows nxagent's log beside the others, under QVD's name. */
function linkLog(log: string, link: string): void {
  try {
    rmSync(link, { force: true })
    symlinkSync(log, link)
  } catch {
    // a full or missing log folder costs the link, nothing else
  }
}

/** Makes the folder of the X sockets. What somebody else put there is neither followed nor entered. */
function makeXSocketFolder(): void {
  const folder = '/tmp/.X11-unix'
  const there = lstatSync(folder, { throwIfNoEntry: false })
  const isOurs = there?.isDirectory() === true && there.uid === process.getuid?.()
  if (!isOurs) {
    freeName(folder)
    mkdirSync(folder) // fails when somebody was quicker; in a sticky folder nobody can exchange what is ours
  }
  chmodSync(folder, 0o1777)
}

/** What a server that was killed left, perhaps another user's: nxagent could neither take its display nor remove it. */
function removeLeftovers(display: number): void {
  freeName(`/tmp/.X${display}-lock`)
  freeName(`/tmp/.X11-unix/X${display}`)
}

function words(text: string): string[] {
  return text.split(/\s+/).filter(Boolean)
}
