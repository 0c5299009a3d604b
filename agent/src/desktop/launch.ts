import type { Input } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { identify, type ProcessIdentity } from '@ostler/kit/process-table.ts'
import type { ChildProcess } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { AgentValues } from '../config.ts'
import { type AsUser, sessionEnvironment } from '../platform/linux/as-user.ts'
import { nxOptionLine } from './nxagent-options.ts'
import type { SessionFiles } from './session-files.ts'
import { xAuthority } from './x-authority.ts'

/** What a session is launched with. */
export interface LaunchParts {
  readonly config: AgentValues
  readonly files: SessionFiles
  readonly asUser: AsUser
  /** nxagent's socket in the display folder. */
  readonly nxSocket: string
}

type Start = Input<'x_start'>

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
  parts: LaunchParts,
  account: Account,
  input: Start,
): { root: ProcessIdentity; child: ChildProcess } {
  const { config, files, asUser } = parts
  const display = config['internal.nxagent.display']
  makeXSocketFolder()
  writeFileSync(files.authority, xAuthority([display, display + 1]), { mode: 0o600 })
  chownSync(files.authority, account.uid, account.gid)
  writeOptions(parts, account, input)
  rmSync(files.log, { force: true })
  const output = openSync(files.log, 'a', 0o640)
  const child = asUser(
    account,
    config['command.xinit'],
    [
      join(BUNDLE, 'ostler-session'),
      config['command.x-session'],
      '--',
      config['command.nxagent'],
      `:${display}`,
      '-nolisten',
      'tcp',
      '-auth',
      files.authority,
      '-name',
      'Ostler',
      '-display',
      `nx/nx,options=${files.options}:${display}`,
    ],
    {
      env: {
        ...sessionEnvironment(account, config['vma.default.lang']),
        XAUTHORITY: files.authority,
        NX_CLIENT: '/bin/true',
      },
      stdio: ['ignore', output, output],
    },
  )
  closeSync(output)
  child.unref()
  child.once('error', () => {}) // told by the missing process below
  const root = child.pid === undefined ? undefined : identify(child.pid)
  if (root === undefined)
    throw new Fault('session.failed', { reason: `${config['command.setpriv']} could not be started` })
  return { root, child }
}

/** Writes nxagent's option file, which it reads at its start and again at every resume. */
export function writeOptions(parts: LaunchParts, account: Account, input: Start): void {
  const { config, files, nxSocket } = parts
  // A seed's screen has no window manager: nxagent keeps to the wanted size only when it fills the screen.
  const client = input.display === 'rfb' ? { ...input.client, fullscreen: true } : input.client
  const line = nxOptionLine(client, {
    socket: nxSocket,
    display: config['internal.nxagent.display'],
    channels: { slave: config['vma.slave.enable'], audio: config['vma.audio.enable'] },
  })
  writeFileSync(files.options, line, { mode: 0o640 })
  chownSync(files.options, 0, account.gid)
  // The user makes her socket here and cannot list the folder; the node side only passes through.
  chownSync(dirname(nxSocket), 0, account.gid)
  chmodSync(dirname(nxSocket), 0o731)
}

/** Makes the folder of the X sockets. A link that somebody put there is not followed. */
function makeXSocketFolder(): void {
  const folder = '/tmp/.X11-unix'
  const there = lstatSync(folder, { throwIfNoEntry: false })
  if (there !== undefined && (!there.isDirectory() || there.uid !== 0)) rmSync(folder, { recursive: true })
  mkdirSync(folder, { recursive: true })
  chmodSync(folder, 0o1777)
}
