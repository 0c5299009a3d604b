import type { VmState } from '../../model/vm-machine.ts'
import type { DisplaySocket } from '../../display/display-socket.ts'
import type { Ticket } from '../../store/tickets.ts'
import type { VmRow } from '../../store/vms.ts'
import { AGENT_PORT } from '@ostler/contract/identity.ts'
import { type AgentLink, openAgentLink } from '../../guest/agent-link.ts'
import type { DoorParts } from '../open-desktop.ts'

/** A tunnel that is to be opened. */
export interface Tunnelling {
  readonly parts: DoorParts
  readonly vm: VmRow
  readonly ticket: Ticket
  readonly digest: Buffer
  /** A terminal's size as the client said it, unchecked; only a console wants it. */
  readonly size: string | undefined
  readonly signal: AbortSignal
}

/** One kind of far end. */
export interface FarEnd {
  /** The desktop's states in which there is one. */
  readonly states: readonly VmState[]
  /**
   * Connects to it. The caller destroys what it gets.
   * @throws Fault.
   */
  open(tunnelling: Tunnelling): Promise<DisplaySocket>
}

/** So long an agent may take for its 101. */
const AGENT_ANSWER_MS = 10_000

/** The agent of the boot that the ticket is for. */
export function agentOf({ parts, vm }: Tunnelling): AgentLink {
  const address = { desktop: vm.id, epoch: vm.epoch, host: vm.address, port: AGENT_PORT }
  return openAgentLink(address, parts.identity())
}

/** Gives up when the caller does, or when the agent takes too long. */
export function inTime({ signal }: Tunnelling): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(AGENT_ANSWER_MS)])
}
