import { Fault } from '@ostler/contract/fault.ts'
import { systemClock } from '@ostler/kit/clock.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { localPlugin } from '../auth/local.ts'
import type { CallerIdentity } from '../guest/agent-link.ts'
import { browserDisplay } from '../l7r/browser-display.ts'
import { doorCertificate } from '../l7r/certificate.ts'
import { openCookieJar } from '../l7r/cookie.ts'
import { nxEndpoints } from '../l7r/nx-endpoints.ts'
import type { DoorParts } from '../l7r/open-desktop.ts'
import { portal } from '../l7r/portal.ts'
import { SeatKeeper } from '../l7r/seat-keeper.ts'
import { serveDoor } from '../l7r/server.ts'
import { signInWith } from '../l7r/sign-in.ts'
import { VmNews } from '../l7r/vm-news.ts'
import { ROLES } from '../store/bootstrap.ts'
import { listenForHints } from '../store/hints.ts'
import { openDatabase } from '../store/open.ts'
import { findUser } from '../store/users.ts'
import type { NodeValues } from './node-config.ts'
import { databaseAddress, doorIdentityFile } from './node-parts.ts'

/** Starts the door. It needs no root and knows nothing about containers. */
export async function startL7r(config: NodeValues, log: Log, scope: Scope): Promise<void> {
  const tls = await doorCertificate(
    { key: config['path.l7r.ssl.key'], cert: config['path.l7r.ssl.cert'] },
    log,
  )
  const address = databaseAddress(config, ROLES.l7r)
  const db = openDatabase(address, log)
  scope.defer(() => db.destroy())
  const seats = scope.own(new SeatKeeper(db, log))
  const news = new VmNews()
  const parts: DoorParts = {
    db,
    seats,
    news,
    identity: () => JSON.parse(readFileSync(doorIdentityFile(config), 'utf8')) as CallerIdentity,
    run: config['path.run'],
    startMs: config['internal.l7r.timeout.vm_start'] * 1_000,
    stopMs: config['internal.l7r.timeout.vm_stop'] * 1_000,
    log,
  }
  scope.own(
    listenForHints(
      address,
      ['ostler_vm', 'ostler_seat'],
      (channel, vmId) => {
        if (channel !== 'ostler_seat') news.announce(vmId)
        if (channel !== 'ostler_vm') seats.look(vmId)
      },
      log,
    ),
  )
  const stopping = new AbortController()
  scope.signal.addEventListener('abort', () => stopping.abort(new Fault('server.stopping')), { once: true })
  const signIn = signInWith([await localPlugin((login) => findUser(db, login))])
  const jar = openCookieJar(join(config['path.state'], 'l7r', 'cookie.key'), () => systemClock.now())
  scope.own(
    await serveDoor({
      tls,
      address: config['l7r.address'],
      port: config['l7r.port'],
      nx: nxEndpoints(parts, signIn, () => scope.signal.aborted),
      browser: browserDisplay(parts, jar),
      portal: portal(parts, signIn, jar, config['path.web'], stopping.signal),
      stopping: stopping.signal,
      log,
    }),
  )
  log.info('door open', { address: config['l7r.address'], port: config['l7r.port'] })
}
