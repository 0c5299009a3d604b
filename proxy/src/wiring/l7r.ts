import { Fault } from '@ostler/contract/fault.ts'
import { systemClock } from '@ostler/kit/clock.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { reachDisplay } from '../display/reach.ts'
import type { CallerIdentity } from '../guest/agent-link.ts'
import { BootSteps } from '../l7r/boot-steps.ts'
import { anyOf, browserDisplay } from '../l7r/browser-display.ts'
import { reachThroughAgent } from '../l7r/carried-display.ts'
import { requireCertificate } from '../l7r/certificate.ts'
import { openCookieJar } from '../l7r/cookie.ts'
import { HostWatch } from '../l7r/host-watch.ts'
import { nxEndpoints } from '../l7r/nx-endpoints.ts'
import type { DoorParts } from '../l7r/open-desktop.ts'
import { PolicyBook } from '../l7r/policy-book.ts'
import { portal } from '../l7r/portal.ts'
import { SeatKeeper } from '../l7r/seat-keeper.ts'
import { serveDoor } from '../l7r/server.ts'
import { signInWith } from '../l7r/sign-in.ts'
import { tunnelDoor } from '../l7r/tunnel/door.ts'
import { TunnelKeeper } from '../l7r/tunnel/keeper.ts'
import { VmNews } from '../l7r/vm-news.ts'
import { displaySocket } from '../model/run-folder.ts'
import { ROLES } from '../store/bootstrap.ts'
import { listenForHints } from '../store/hints.ts'
import { openDatabase } from '../store/open.ts'
import { purgeTickets } from '../store/tickets.ts'
import { purgeSignIns } from '../store/tokens.ts'
import { listenSettings } from './listen.ts'
import { nodeConfigSource, type NodeValues } from './node-config.ts'
import { databaseAddress, doorIdentityFile } from './node-parts.ts'
import { openSignIn } from './sign-in.ts'

/**
 * Starts a door. It needs no root and knows nothing about containers.
 * @returns what to call so that it takes nobody in any more: it resolves when the last who were in have left.
 */
export async function startL7r(
  config: NodeValues,
  log: Log,
  scope: Scope,
  configFile: string,
): Promise<() => Promise<void>> {
  const listen = listenSettings(config, log)
  if (listen.tls !== undefined) await requireCertificate(listen.tls.files, log)
  const address = databaseAddress(config, ROLES.l7r)
  const db = openDatabase(address, log)
  scope.defer(() => db.destroy())
  const seats = scope.own(new SeatKeeper(db, `${config['nodename']}/${process.pid}`, log))
  const tunnels = scope.own(new TunnelKeeper(db, log))
  const news = new VmNews()
  const host = scope.own(await HostWatch.open(db, config['nodename'], log))
  const policy = await PolicyBook.open(db, log)
  const certificate = listen.tls === undefined ? undefined : readFileSync(listen.tls.files.cert, 'utf8')
  const jar = openCookieJar(join(config['path.state'], 'l7r', 'cookie.key'), () => systemClock.now())
  const key = jar.derive('attempts')
  const { desk, oidc, reload } = await openSignIn(db, nodeConfigSource(configFile), log, { certificate, key })
  const identity = doorIdentity(doorIdentityFile(config))
  const parts: DoorParts = {
    db,
    policy,
    host,
    seats,
    news,
    steps: new BootSteps(db),
    identity,
    reach: (vm, kind) =>
      vm.hypervisor === 'kvm' && (kind === 'nx' || kind === 'rfb')
        ? reachThroughAgent(vm, kind, identity())
        : reachDisplay(vm.id, displaySocket(config['path.run'], vm.id, kind)),
    startMs: config['internal.l7r.timeout.vm_start'] * 1_000,
    stopMs: config['internal.l7r.timeout.vm_stop'] * 1_000,
    shortSessionMs: config['internal.l7r.short_session'] * 1_000,
    streamLimits: { idleMs: config['l7r.stream.idle'] * 1_000, maxMs: config['l7r.stream.max'] * 1_000 },
    log,
  }
  scope.own(
    listenForHints(
      address,
      ['ostler_vm', 'ostler_seat', 'ostler_ticket', 'ostler_host', 'ostler_config'],
      (channel, id) => {
        if (channel === undefined || channel === 'ostler_vm' || channel === 'ostler_ticket') news.announce(id)
        if (channel === undefined || channel === 'ostler_seat') seats.look(id)
        if (channel === undefined || channel === 'ostler_vm' || channel === 'ostler_seat') tunnels.look(id)
        if (channel === undefined || channel === 'ostler_host') void host.look()
        if (channel === undefined || channel === 'ostler_config') {
          void policy.reload()
          reload().catch((error: unknown) => log.warn('configuration not read', { error }))
        }
      },
      log,
    ),
  )
  const stopping = new AbortController()
  scope.signal.addEventListener('abort', () => stopping.abort(new Fault('server.stopping')), { once: true })
  const signIn = signInWith(desk, (counter) => host.count(counter), stopping.signal, log)
  scope.own(every(PURGE_MS, () => purgeSignIns(db), log))
  scope.own(every(PURGE_MS, () => purgeTickets(db), log))
  // A hint that says the configuration has changed may be lost.
  scope.own(every(RELOAD_MS, reload, log))
  scope.own(every(RELOAD_MS, () => policy.reload(), log))
  const tunnel = tunnelDoor(parts, tunnels)
  let isDraining = false
  const door = scope.own(
    await serveDoor({
      listen,
      nx: nxEndpoints(parts, signIn, tunnel, () => isDraining || scope.signal.aborted),
      browser: anyOf(browserDisplay(parts, jar, desk), tunnel.browser),
      portal: portal(parts, { signIn, desk, jar, oidc }, config['path.web'], stopping.signal),
      stopping: stopping.signal,
      log,
    }),
  )
  log.info('door open', { address: config['l7r.address'], port: config['l7r.port'] })
  return () => {
    isDraining = true
    return door.drained()
  }
}

/** The identity as hkd last issued it: the same object until its file is another. */
function doorIdentity(file: string): () => CallerIdentity {
  let seen = ''
  let identity: CallerIdentity
  return () => {
    const { ino, mtimeMs } = statSync(file)
    const now = `${ino} ${mtimeMs}`
    if (now !== seen) identity = JSON.parse(readFileSync(file, 'utf8')) as CallerIdentity
    seen = now
    return identity
  }
}

const PURGE_MS = 60_000
const RELOAD_MS = 10_000

/** Does something again and again until it is disposed of; a failure waits for the next time. */
function every(ms: number, what: () => Promise<void>, log: Log): Disposable {
  const timer = setInterval(() => {
    what().catch((error: unknown) => log.warn('will be tried again', { error }))
  }, ms)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
