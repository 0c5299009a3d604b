import { isAlive as isSessionAlive } from '@ostler/contract/session.ts'
import type { Log } from '@ostler/kit/log.ts'
import { chmodSync, chownSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import type { AsUser } from '../platform/linux/as-user.ts'
import { sessionEnvironment } from '../platform/linux/as-user.ts'
import type { XSession } from './session.ts'

export interface RfbSettings {
  readonly socket: string
  /** The node user who alone may open the socket. */
  readonly owner: number
  readonly x11vnc: string
  readonly display: number
  readonly authority: string
  readonly lang: string
}

/**
 * Serves RFB on a unix socket of the display folder: each connection gets an x11vnc of its own, as the user,
 * with the connection itself on its standard input and output. Works while the session is connected or suspended.
 *
 * @returns a disposer that stops listening; viewers that are connected stay.
 */
export async function serveRfb(
  session: XSession,
  settings: RfbSettings,
  asUser: AsUser,
  log: Log,
): Promise<AsyncDisposable> {
  rmSync(settings.socket, { force: true })
  const server = createServer({ pauseOnConnect: true }, (connection) => {
    connection.on('error', () => connection.destroy())
    show(session, settings, asUser, log, connection)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(settings.socket, resolve)
  })
  chmodSync(settings.socket, 0o600)
  chownSync(settings.socket, settings.owner, 0)
  return {
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

function show(session: XSession, settings: RfbSettings, asUser: AsUser, log: Log, connection: Socket): void {
  const account = session.account
  if (account === undefined || !isSessionAlive(session.state.value)) {
    log.warn('viewer refused', { state: session.state.value })
    connection.destroy()
    return
  }
  const viewer = asUser(
    account,
    settings.x11vnc,
    [
      '-display',
      `:${settings.display}`,
      '-auth',
      settings.authority,
      ...'-inetd -q -shared -nopw -noxdamage -xrandr -no6 -noipv6 -nolookup -norc'.split(' '),
    ],
    { env: sessionEnvironment(account, settings.lang), stdio: [connection, connection, 'ignore'] },
  )
  viewer.once('error', (error) => log.error('x11vnc could not be started', { error }))
  viewer.once('exit', (code, signal) => log.debug('viewer ended', { code, signal }))
  viewer.unref()
  // x11vnc holds the connection now; our copy only would keep it open after its end.
  connection.destroy()
}
