import { Fault, type FaultCode } from '@ostler/contract/fault.ts'
import type { DisplayKind, SocketKind } from '@ostler/contract/identity.ts'
import { systemClock } from '@ostler/kit/clock.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { DisplaySocket } from '../display/display-socket.ts'
import type { StreamLimits } from '../display/splice.ts'
import type { AgentLines } from '../guest/agent-lines.ts'
import { type CallerIdentity, openAgentLink } from '../guest/agent-link.ts'
import { parseAgentAt } from '../model/agent-at.ts'
import { beyondScreen, type DisplayWay, displayWay, VIEWER } from '../model/display.ts'
import type { SessionGrant } from '../model/policy.ts'
import { digestOf } from '../model/ticket-text.ts'
import { sessionProperties } from '../store/properties.ts'
import { removeToken } from '../store/tokens.ts'
import { findVm, type VmRow } from '../store/vms.ts'
import { requireAccess, type Visitor } from './access.ts'
import type { OwnDesktopParts } from './own-desktops.ts'
import { awaitPoolDesktop } from './pool-desk.ts'
import { awaitRunning, type StartNews, startText } from './start/await-running.ts'
import type { BootSteps } from './start/boot-steps.ts'
import type { DoorMetrics } from './door-metrics.ts'
import type { HostWatch } from './host-watch.ts'
import type { HeldSeat, SeatKeeper } from './seat-keeper.ts'
import { sessionParameters } from './session-parameters.ts'
import type { StartLine } from './start/start-line.ts'
import { issueToken } from './tokens.ts'
import type { VmNews } from './start/vm-news.ts'

export interface DoorParts extends OwnDesktopParts {
  readonly host: HostWatch
  readonly seats: SeatKeeper
  readonly news: VmNews
  readonly line: StartLine
  readonly steps: BootSteps
  /** What we present to agents, as hkd last issued it. */
  readonly identity: () => CallerIdentity
  /** Connections to agents that are kept for the next call. */
  readonly lines: AgentLines
  readonly reach: Reach
  /** The node's address for its desktops, and whether they get a token with which they can come in as their user. */
  readonly forSessions: { readonly hostAddress: string; readonly giveToken: boolean }
  readonly startMs: number
  readonly stopMs: number
  /** A stream that ends sooner is counted as a short session. */
  readonly shortSessionMs: number
  readonly streamLimits: StreamLimits
  /** Milliseconds after which a browser is asked whether it is still there; 0: never. */
  readonly keepAliveMs: number
  readonly metrics: DoorMetrics
  /** One line of the log for each request. */
  readonly logsRequests: boolean
  readonly log: Log
}

/**
 * Connects to a socket of a desktop, on whichever node it runs.
 * @param signal gives up before it is connected; afterwards it has no effect.
 * @throws Fault `display.unreachable`, or the signal's reason.
 */
export type Reach = (
  vm: Pick<VmRow, 'id' | 'epoch' | 'hostId' | 'address' | 'agentAt' | 'hypervisor'>,
  kind: SocketKind,
  signal: AbortSignal,
) => Promise<DisplaySocket>

/** Says to whoever waits what is going on, in QVD's words. */
export type Progress = (text: string) => void

export interface OpenRequest extends Visitor {
  readonly vmId: number
  readonly display: DisplayKind
  /** What the client said about her session: `qvd.client.*` and `custom.*`, checked as far as we read them. */
  readonly parameters: ReadonlyMap<string, string>
  /** The key of the slave channel, which client and guest share; a browser has none. */
  readonly slaveKey?: string
  /** When the request came, in `performance.now()`. */
  readonly receivedAt: number
  /** The log of this connection: every line of it bears the same id. */
  readonly log: Log
}

/** A display that is reached and not yet spoken to, and the seat that goes with it. */
export interface OpenDesktop {
  readonly vm: VmRow
  readonly seat: HeldSeat
  readonly grant: SessionGrant
  readonly display: DisplaySocket
  /** When the request came and when the seat was claimed, in `performance.now()`. */
  readonly receivedAt: number
  readonly claimedAt: number
  readonly limits: StreamLimits
}

/** An agent that was restarted, or a session that just lost a client, may need this long. */
const SESSION_MS = 10_000
const RETRY_MS = 100
/** Failures that pass by themselves while an agent or a session settles. */
const PASSING: readonly FaultCode[] = ['agent.unreachable', 'display.unreachable', 'session.failed']

/**
 * The walk from a known user to an open display: access, running, seat, session, socket. Nothing is written before
 * access is checked, and nobody is displaced before the desktop runs.
 *
 * @throws Fault; the seat has then been given back.
 */
export async function openDesktop(
  parts: DoorParts,
  request: OpenRequest,
  progress: Progress,
  signal: AbortSignal,
): Promise<OpenDesktop> {
  using _opening = parts.metrics.opening(request.display)
  const wish = { kind: 'open', display: request.display } as const
  const { vm: found, grant } = await requireAccess(parts, request, request.vmId, wish, (pool) =>
    awaitPoolDesktop(parts, pool, request.guest, progress, signal),
  )
  const way = requireWay(found, request.display, grant)
  const tell = (news: StartNews): void => progress(startText(news))
  const vm = await awaitRunning(parts, found, request.guest, tell, signal)
  const { parameters, token } = await parametersOf(parts, request, vm, grant)
  const label = `${request.guest.login}, ${VIEWER[request.display]}`
  const claimed = await parts.seats
    .claim(vm.id, label, request.guest.user.id)
    .catch(async (error: unknown) => {
      await revoke(parts, token)
      throw error
    })
  const seat = withToken(parts, claimed, token)
  const claimedAt = performance.now()
  parts.metrics.seatClaimed(request.display)
  request.log.info('seat claimed', {
    vm: vm.id,
    user: request.guest.login,
    display: request.display,
    epoch: seat.epoch,
    displaced: seat.displaced,
  })
  try {
    if (seat.displaced !== undefined) progress(`Aborting contending session for VM_ID: ${vm.id}`)
    progress(`Session acquired for VM_ID: ${vm.id}`)
    const both = AbortSignal.any([signal, seat.signal])
    const display = await openSession(parts, { request, vm, way, seat, parameters }, progress, both)
    try {
      // Whoever was claimed away, or stood still meanwhile, must not come between those who have it now.
      await Promise.all([seat.occupy(), parts.steps.reached(vm, [['connected']])])
      both.throwIfAborted()
    } catch (error) {
      display.socket.destroy()
      throw error
    }
    return { vm, seat, grant, display, claimedAt, receivedAt: request.receivedAt, limits: parts.streamLimits }
  } catch (error) {
    await seat[Symbol.asyncDispose]()
    throw error
  }
}

/** Closes a display that nobody carries, or carries no more. */
export function closing({ socket }: DisplaySocket): Disposable {
  return { [Symbol.dispose]: () => void socket.destroy() }
}

/**
 * The way to a display of a desktop.
 * @throws Fault `display.missing` with the displays that it has, or why this one cannot be allowed.
 */
export function requireWay(vm: VmRow, display: DisplayKind, grant: SessionGrant): DisplayWay {
  const way = displayWay(display, vm.displays)
  if (way === undefined)
    throw new Fault('display.missing', { display, reason: `it has ${vm.displays.join(', ')}` })
  const beyond = way.session === undefined ? beyondScreen(grant) : undefined
  if (beyond !== undefined) throw new Fault('display.missing', { display, reason: beyond })
  return way
}

/** A desktop whose session is about to be opened: for whom, with what, and by which claim. */
interface Opening {
  readonly request: OpenRequest
  readonly vm: VmRow
  readonly way: DisplayWay
  readonly seat: HeldSeat
  readonly parameters: Record<string, string>
}

/** What the session is opened with, and its token if it gets one. */
async function parametersOf(
  parts: DoorParts,
  request: OpenRequest,
  vm: VmRow,
  grant: SessionGrant,
): Promise<{ parameters: Record<string, string>; token: string | undefined }> {
  const { hostAddress, giveToken } = parts.forSessions
  const [properties, token] = await Promise.all([
    sessionProperties(parts.db, vm.id),
    giveToken ? issueToken(parts.db, request.guest).then((issued) => issued.token) : undefined,
  ])
  const door = {
    host_address: hostAddress,
    ...(token === undefined ? {} : { auth_token: token }),
    ...(request.slaveKey === undefined ? {} : { 'qvd.slave.key': request.slaveKey }),
  }
  const { parameters: client, guest } = request
  const { isApplication } = vm
  try {
    const plugins = guest.parameters
    return {
      parameters: sessionParameters({ client, properties, plugins, isApplication, grant, door }),
      token,
    }
  } catch (error) {
    await revoke(parts, token)
    throw error
  }
}

/** A session's token is good as long as somebody sits there. */
async function revoke(parts: DoorParts, token: string | undefined): Promise<void> {
  if (token === undefined) return
  await removeToken(parts.db, digestOf(token)).catch((error: unknown) =>
    parts.log.warn('the token of a session is not revoked, it ends by itself', { error }),
  )
}

/** A seat with whose end the token of its session ends. */
function withToken(parts: DoorParts, seat: HeldSeat, token: string | undefined): HeldSeat {
  if (token === undefined) return seat
  return {
    ...seat,
    [Symbol.asyncDispose]: async () => {
      await seat[Symbol.asyncDispose]()
      await revoke(parts, token)
    },
  }
}

/** Opens the session and its display, again while what fails is only settling. */
async function openSession(
  parts: DoorParts,
  opening: Opening,
  progress: Progress,
  signal: AbortSignal,
): Promise<DisplaySocket> {
  const { request, vm, seat } = opening
  const until = systemClock.now() + SESSION_MS
  if (opening.way.session !== undefined) progress(`Starting X session at VM ${vm.id}`)
  for (;;) {
    try {
      await tryOpenSession(parts, opening, progress, signal)
      progress(`Connecting X session for VM_ID: ${vm.id}`)
      signal.throwIfAborted()
      return await parts.reach(vm, opening.way.socket, signal)
    } catch (error) {
      signal.throwIfAborted()
      await seat.confirm()
      const passing = error instanceof Fault && PASSING.includes(error.code)
      if (!passing || systemClock.now() > until) throw error
      const now = await findVm(parts.db, vm.id)
      if (now?.state !== 'running' || now.epoch !== vm.epoch)
        throw new Fault('desktop.startFailed', { reason: 'the desktop stopped meanwhile' }, { cause: error })
      request.log.debug('session is settling', { vm: vm.id, error })
      await systemClock.sleep(RETRY_MS, signal)
    }
  }
}

async function tryOpenSession(
  parts: DoorParts,
  opening: Opening,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const { request, vm, seat, way, parameters } = opening
  // The screen of a machine is there without any agent.
  if (way.session === undefined) return void (await seat.confirm())
  const address = { desktop: vm.id, epoch: vm.epoch, ...parseAgentAt(vm) }
  const { client } = openAgentLink(address, parts.identity(), parts.lines)
  const called = Date.now()
  const call = { display: way.session, parameters, seat: seat.epoch }
  let answer = await client.x_start(call, signal)
  // A home on a slow server, or a hook that takes its time: the same call goes on waiting where the last one stopped.
  while (!answer.ready) {
    progress(`X session is ${answer.state}`)
    answer = await client.x_start(call, signal)
  }
  for (const warning of answer.warnings) request.log.warn('session', { vm: vm.id, warning })
  const at = (afterMs: number): string => new Date(called + afterMs).toISOString()
  // The display takes one client: one that has lost the desktop must not reach it.
  await Promise.all([
    seat.confirm(),
    parts.steps.reached(vm, [
      ['user ready', at(answer.userReadyMs)],
      ['display ready', at(answer.displayReadyMs)],
    ]),
  ])
}
