import { Fault } from '@ostler/contract/fault.ts'
import { systemClock } from '@ostler/kit/clock.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { AgentLines } from '../guest/agent-lines.ts'
import type { CallerIdentity } from '../guest/agent-link.ts'
import { BootSteps } from '../l7r/start/boot-steps.ts'
import { anyOf, browserDisplay } from '../l7r/viewer/browser-display.ts'
import { DoorMetrics } from '../l7r/door-metrics.ts'
import { requireCertificate } from '../l7r/certificate.ts'
import { openCookieJar } from '../l7r/portal/cookie.ts'
import { HOP_PROTOCOL } from '../l7r/hop/hop-words.ts'
import { reachEverywhere } from '../l7r/hop/reach-display.ts'
import { serveHops } from '../l7r/hop/serve-hop.ts'
import { HostWatch } from '../l7r/host-watch.ts'
import { qvdEndpoints } from '../l7r/qvd-endpoints.ts'
import type { TicketKeys } from '../l7r/listen/ticket-keys.ts'
import type { DoorParts } from '../l7r/open-desktop.ts'
import { PolicyBook } from '../l7r/policy-book.ts'
import { portal } from '../l7r/portal/portal.ts'
import { reachHere } from '../l7r/reach-here.ts'
import { SeatKeeper } from '../l7r/seat-keeper.ts'
import { serveDoor } from '../l7r/server.ts'
import { signInWith } from '../l7r/sign-in.ts'
import { StartLine } from '../l7r/start/start-line.ts'
import { ticketedDisplay } from '../l7r/viewer/ticketed-display.ts'
import { tunnelDoor } from '../l7r/tunnel/door.ts'
import { TunnelKeeper } from '../l7r/tunnel/keeper.ts'
import { VmNews } from '../l7r/start/vm-news.ts'
import { ROLES } from '../store/bootstrap.ts'
import { listenForHints } from '../store/hints.ts'
import { announceDoor } from '../store/hosts.ts'
import { openDatabase } from '../store/open.ts'
import { purgeTickets } from '../store/tickets.ts'
import { purgeSignIns } from '../store/tokens.ts'
import type { Registry } from 'prom-client'
import { hopAddress, listenSettings } from './listen.ts'
import { LiveConfig } from './live-config.ts'
import { nodeConfigSource, type NodeValues } from './node-config.ts'
import { addressPool, certificateInUse, databaseAddress, doorIdentityFile } from './node-parts.ts'
import { watchProcess } from './process-metrics.ts'
import { openSignIn } from './sign-in.ts'

/** What a door has from its crew, beside what lies on the disk. */
export interface DoorShare {
  readonly configFile: string
  readonly ticketKeys: TicketKeys
  readonly givenSocket: number | undefined
}

/**
 * Starts a door. It needs no root and knows nothing about containers.
 * @returns how it is told to take nobody in, and what it counts.
 */
export async function startL7r(
  inFile: NodeValues,
  log: Log,
  scope: Scope,
  { configFile, ...shared }: DoorShare,
): Promise<Door> {
  const address = databaseAddress(inFile, ROLES.l7r)
  const db = openDatabase(address, log)
  scope.defer(() => db.destroy())
  const live = await LiveConfig.open(db, configFile, log)
  const config = live.values
  const keeping = scope.own(live.keepUp())
  const listen = { ...listenSettings(config, log), ...shared }
  if (listen.tls !== undefined) await requireCertificate(listen.tls.files, log)
  const metrics = new DoorMetrics()
  const doorName = `${config['nodename']}/${process.pid}`
  const seats = scope.own(new SeatKeeper(db, doorName, log, (reason) => metrics.seatLost(reason)))
  const tunnels = scope.own(new TunnelKeeper(db, log))
  const news = new VmNews()
  const host = scope.own(await HostWatch.open(db, config['nodename'], log))
  const policy = await PolicyBook.open(db, log)
  const certificate = (): string | undefined => (config['l7r.use_ssl'] ? certificateInUse(config) : undefined)
  const jar = openCookieJar(join(config['path.state'], 'l7r', 'cookie.key'), () => systemClock.now())
  const key = jar.derive('attempts')
  const addresses = addressPool(config)
  const { desk, oidc, reload } = await openSignIn(db, nodeConfigSource(configFile), log, {
    ...{ certificate, key },
    pool: addresses,
  })
  const identity = doorIdentity(doorIdentityFile(config))
  const here = reachHere({ run: config['path.run'], identity })
  const parts: DoorParts = withLive(() => live.values, {
    db,
    policy,
    addresses,
    host,
    seats,
    news,
    line: new StartLine(db),
    steps: new BootSteps(db),
    identity,
    lines: scope.own(new AgentLines()),
    reach: reachEverywhere({ db, host, here, identity, door: doorName }),
    metrics,
    log,
  })
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
          keeping.now()
        }
      },
      log,
    ),
  )
  const stopping = new AbortController()
  scope.signal.addEventListener('abort', () => stopping.abort(new Fault('server.stopping')), { once: true })
  const signIn = signInWith(desk, (counter) => host.count(counter), metrics, stopping.signal, log)
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
      hop: {
        protocol: HOP_PROTOCOL,
        identity,
        serve: serveHops({ db, host, here, stopping: stopping.signal, log }),
      },
      nx: qvdEndpoints(parts, signIn, tunnel, () => isDraining || scope.signal.aborted),
      browser: anyOf(browserDisplay(parts, jar, desk), tunnel.browser),
      ticketed: ticketedDisplay(parts, desk),
      portal: portal(parts, { signIn, desk, jar, oidc }, config['path.web'], stopping.signal),
      get keepAliveMs() {
        return parts.keepAliveMs
      },
      metrics,
      stopping: stopping.signal,
      log,
    }),
  )
  const announce = (): Promise<void> =>
    announceDoor(db, config['nodename'], hopAddress(config, listen), door.port)
  // The node's row may come later than its door, and somebody may have written another address.
  const announcing = scope.own(every(ANNOUNCE_MS, announce, log))
  announcing.now()
  log.info('door open', { address: config['l7r.address'], port: door.port })
  watchProcess(metrics.registry, 'ostler_l7r', db, scope)
  return {
    metrics: metrics.registry,
    shut: (isShut) => host.shut(isShut),
    drained: () => {
      isDraining = true
      return door.drained()
    },
  }
}

type LiveParts = Pick<
  DoorParts,
  'forSessions' | 'startMs' | 'stopMs' | 'shortSessionMs' | 'streamLimits' | 'keepAliveMs' | 'logsRequests'
>

/** Adds what an administrator may change while the door runs: it is looked up each time. */
function withLive(now: () => NodeValues, parts: Omit<DoorParts, keyof LiveParts>): DoorParts {
  return {
    ...parts,
    get forSessions() {
      const hostAddress = now()['l7r.address'] === '*' ? now()['vm.network.gateway'] : now()['l7r.address']
      return { hostAddress, giveToken: now()['l7r.session.auth_token'] }
    },
    get startMs() {
      return now()['internal.l7r.timeout.vm_start'] * 1_000
    },
    get stopMs() {
      return now()['internal.l7r.timeout.vm_stop'] * 1_000
    },
    get shortSessionMs() {
      return now()['internal.l7r.short_session'] * 1_000
    },
    get streamLimits() {
      return { idleMs: now()['l7r.stream.idle'] * 1_000, maxMs: now()['l7r.stream.max'] * 1_000 }
    },
    get keepAliveMs() {
      return now()['l7r.keepalive'] * 1_000
    },
    get logsRequests() {
      return now()['l7r.log.requests']
    },
  }
}

/** A door that serves. */
export interface Door {
  readonly metrics: Registry
  /** Takes nobody in, and says so to whoever asks; or everybody again. */
  readonly shut: (isShut: boolean) => void
  /** Listens no more; resolves when the last who were in have left. */
  readonly drained: () => Promise<void>
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
const ANNOUNCE_MS = 5_000

/** Does something again and again until it is disposed of; a failure waits for the next time. */
function every(ms: number, what: () => Promise<void>, log: Log): Disposable & { now(): void } {
  const now = (): void => {
    what().catch((error: unknown) => log.warn('will be tried again', { error }))
  }
  const timer = setInterval(now, ms)
  return { now, [Symbol.dispose]: () => clearInterval(timer) }
}
