import { upgradeApi } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { SessionDisplay } from '@ostler/contract/identity.ts'
import { displayOn, type DisplaySocket } from '../display/display-socket.ts'
import { type CallerIdentity, openAgentLink } from '../guest/agent-link.ts'
import { parseAgentAt } from '../model/agent-at.ts'
import type { VmRow } from '../store/vms.ts'

const CONNECT_MS = 5_000

/**
 * Reaches a session's display through the agent, over a connection of its own: the sockets of a virtual machine's
 * sessions are in its own file system (docs/decisions/0034).
 *
 * @throws Fault `display.unreachable`.
 */
export async function reachThroughAgent(
  vm: Pick<VmRow, 'id' | 'epoch' | 'address' | 'agentAt'>,
  kind: SessionDisplay,
  identity: CallerIdentity,
): Promise<DisplaySocket> {
  try {
    using link = openAgentLink({ desktop: vm.id, epoch: vm.epoch, ...parseAgentAt(vm) }, identity)
    const wanted = upgradeApi[`display_${kind}`]
    return displayOn(await link.upgrade(wanted, {}, AbortSignal.timeout(CONNECT_MS)))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('display.unreachable', { desktop: vm.id, reason }, { cause })
  }
}
