import { isAlive as isSessionAlive } from '@ostler/contract/session.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { ChildProcess } from 'node:child_process'
import { closeSync, openSync, statSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import type { AgentValues } from '../config/options.ts'
import type { AsUser } from '../platform/linux/as-user.ts'
import { sessionEnvironment } from './environment.ts'
import { nxPlaces } from './launch.ts'
import { readSessionPolicy, VNC_CLIPBOARD } from './session-policy.ts'
import type { XSession } from './session.ts'

export interface ViewerParts {
  readonly session: XSession
  readonly config: () => AgentValues
  readonly asUser: AsUser
  readonly log: Log
}

/** `qvd-x11vnc.log` begins anew above this size. */
const MAX_WORDS = 1 << 20

/**
 * Gives a connection an x11vnc of its own, as the user, on its standard input and output. Works while the session is connected
 * or suspended; the viewer lives until either end goes.
 *
 * @param support true when the user is to be asked first (`vma.x11vnc.confirm.*`), and may say no.
 * @throws Fault `session.busy` when there is no session to see.
 */
export function showSession(parts: ViewerParts, connection: Socket, support: boolean): ChildProcess {
  const { session, asUser, log } = parts
  const config = parts.config()
  const account = session.account
  if (account === undefined || !isSessionAlive(session.state))
    throw new Fault('session.busy', { state: session.state })
  const ask = support && config['vma.x11vnc.confirm.enabled']
  const { clipboard } = readSessionPolicy(new Map(session.pairs))
  const words = openWords(join(config['path.log'], 'qvd-x11vnc.log'))
  try {
    const viewer = asUser(
      account,
      config['command.x11vnc'],
      [
        '-display',
        `:${config['internal.nxagent.display']}`,
        '-auth',
        nxPlaces(config, undefined).authority,
        ...'-inetd -q -shared -nopw -noxdamage -xrandr -no6 -noipv6 -nolookup -norc'.split(' '),
        ...VNC_CLIPBOARD[clipboard],
        ...config['vma.x11vnc.extra_args'].split(/\s+/).filter(Boolean),
        ...(ask ? ['-accept', config['vma.x11vnc.confirm.command']] : []),
      ],
      {
        env: sessionEnvironment(account, undefined, config['vma.default.lang']),
        stdio: [connection, connection, words],
      },
    )
    viewer.once('error', (error) => log.error('x11vnc could not be started', { error }))
    viewer.once('exit', (code, signal) => log.debug('viewer ended', { code, signal, support }))
    viewer.unref()
    return viewer
  } finally {
    if (typeof words === 'number') closeSync(words)
    // x11vnc holds the connection now; our copy only would keep it open after its end.
    connection.destroy()
  }
}

function openWords(path: string): number | 'ignore' {
  try {
    const full = (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > MAX_WORDS
    return openSync(path, full ? 'w' : 'a', 0o640)
  } catch {
    return 'ignore'
  }
}
