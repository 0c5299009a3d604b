import { Fault, type FaultCode } from '@ostler/contract/fault.ts'
import type { DisplayKind, SocketKind } from '@ostler/contract/identity.ts'
import { systemClock } from '@ostler/kit/clock.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { SignedIn } from '../auth/sign-in.ts'
import type { DisplaySocket } from '../display/display-socket.ts'
import type { StreamLimits } from '../display/splice.ts'
import { type CallerIdentity, openAgentLink } from '../guest/agent-link.ts'
import { parseAgentAt } from '../model/agent-at.ts'
import type { SessionGrant } from '../model/policy.ts'
import { addWish, findVm, type VmRow, wishOutcome } from '../store/vms.ts'
import { type AccessParts, requireAccess, type Visitor } from './access.ts'
import type { BootSteps } from './boot-steps.ts'
import type { HostWatch } from './host-watch.ts'
import type { HeldSeat, SeatKeeper } from './seat-keeper.ts'
import { sessionParameters } from './session-parameters.ts'
import type { VmNews } from './vm-news.ts'

export interface DoorParts extends AccessParts {
  readonly host: HostWatch
  readonly seats: SeatKeeper
  readonly news: VmNews
  readonly steps: BootSteps
  /** What we present to agents, as hkd last issued it. */
  readonly identity: () => CallerIdentity
  readonly reach: Reach
  readonly startMs: number
  readonly stopMs: number
  /** A stream that ends sooner is counted as a short session. */
  readonly shortSessionMs: number
  readonly streamLimits: StreamLimits
  readonly log: Log
}

/**
 * Connects to a socket of a desktop, on whichever node it runs.
 * @throws Fault `display.unreachable`.
 */
export type Reach = (
  vm: Pick<VmRow, 'id' | 'epoch' | 'hostId' | 'address' | 'agentAt' | 'hypervisor'>,
  kind: SocketKind,
) => Promise<DisplaySocket>

/** Says to whoever waits what is going on, in QVD's words. */
export type Progress = (text: string) => void

export interface OpenRequest extends Visitor {
  readonly vmId: number
  readonly display: DisplayKind
  /** What the client said about her session: `qvd.client.*` and `custom.*`, checked as far as we read them. */
  readonly parameters: ReadonlyMap<string, string>
  /** When the request came, in `performance.now()`. */
  readonly receivedAt: number
  /** The log of this connection: every line of it bears the same id. */
  readonly log: Log
}

/** A display that is reached and not yet spoken to, and the seat that goes with it. */
export interface OpenDesktop {
  readonly vm: VmRow
  readonly seat: HeldSeat
  readonly display: DisplaySocket
  /** When the request came and when the seat was claimed, in `performance.now()`. */
  readonly receivedAt: number
  readonly claimedAt: number
  readonly limits: StreamLimits
}

/** How a viewer is named to the one whom she displaces. */
const VIEWER: Readonly<Record<DisplayKind, string>> = { nx: 'in a native client', rfb: 'in a browser' }
/** A lost hint costs this much, not more. */
const TICK_MS = 2_000
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
  const wish = { kind: 'open', display: request.display } as const
  const { vm: found, grant } = await requireAccess(parts, request, request.vmId, wish)
  const vm = await awaitRunning(parts, found, request.guest, progress, signal)
  const seat = await parts.seats.claim(vm.id, `${request.guest.login}, ${VIEWER[request.display]}`)
  const claimedAt = performance.now()
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
    const display = await openSession(parts, { request, vm, grant, seat }, progress, both)
    try {
      // Whoever was claimed away, or stood still meanwhile, must not come between those who have it now.
      await Promise.all([seat.occupy(), parts.steps.reached(vm, [['connected']])])
      both.throwIfAborted()
    } catch (error) {
      display.socket.destroy()
      throw error
    }
    return { vm, seat, display, claimedAt, receivedAt: request.receivedAt, limits: parts.streamLimits }
  } catch (error) {
    await seat[Symbol.asyncDispose]()
    throw error
  }
}

/**
 * Wishes the desktop up, if it is not, and waits until it runs.
 * @throws Fault `desktop.startFailed` with hkd's reason, `desktop.startTimeout`, or the signal's reason.
 */
export async function awaitRunning(
  parts: DoorParts,
  vm: VmRow,
  guest: SignedIn,
  progress: Progress,
  signal: AbortSignal,
): Promise<VmRow> {
  if (vm.state === 'running') return vm
  const timeout = AbortSignal.timeout(parts.startMs)
  using news = parts.news.listen(vm.id, TICK_MS, AbortSignal.any([signal, timeout]))
  const wish = await addWish(parts.db, { vmId: vm.id, kind: 'run', by: guest.login, reason: 'connect' })
  progress('Starting virtual machine')
  for (;;) {
    const row = await findVm(parts.db, vm.id)
    if (row === undefined) throw new Fault('desktop.unknown')
    if (row.state === 'running') return row
    const outcome = await wishOutcome(parts.db, wish)
    if (outcome !== undefined) throw new Fault('desktop.startFailed', { reason: row.fault ?? outcome })
    progress("Waiting for VM to reach state 'running'")
    await news.next().catch((error: unknown) => {
      throw timeout.aborted ? new Fault('desktop.startTimeout') : error
    })
  }
}

/** A desktop whose session is about to be opened: for whom, with what, and by which claim. */
interface Opening {
  readonly request: OpenRequest
  readonly vm: VmRow
  readonly grant: SessionGrant
  readonly seat: HeldSeat
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
  progress(`Starting X session at VM ${vm.id}`)
  for (;;) {
    try {
      return await tryOpenSession(parts, opening, progress, signal)
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
): Promise<DisplaySocket> {
  const { request, vm, grant, seat } = opening
  const address = { desktop: vm.id, epoch: vm.epoch, ...parseAgentAt(vm) }
  using link = openAgentLink(address, parts.identity())
  const called = Date.now()
  const parameters = sessionParameters(request.parameters, request.guest.parameters, vm.isApplication, grant)
  const call = { display: request.display, parameters, seat: seat.epoch }
  let answer = await link.client.x_start(call, signal)
  // A home on a slow server, or a hook that takes its time: the same call goes on waiting where the last one stopped.
  while (!answer.ready) {
    progress(`X session is ${answer.state}`)
    answer = await link.client.x_start(call, signal)
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
  progress(`Connecting X session for VM_ID: ${vm.id}`)
  signal.throwIfAborted()
  return await parts.reach(vm, request.display)
}
