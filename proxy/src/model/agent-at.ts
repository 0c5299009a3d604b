import { Fault } from '@ostler/contract/fault.ts'
import { AGENT_PORT } from '@ostler/contract/identity.ts'

/** Where the agent of a desktop is reached from its node: over the network, or at a unix socket. */
export type AgentAt =
  | { readonly host: string; readonly port: number }
  | {
      /** Lies in a folder that the guest may write to: it is opened without following links. */
      readonly socketPath: string
    }

/** As it stands in a desktop's row; `null`: at its address, on the port of all agents. */
export function formatAgentAt(at: AgentAt | undefined): string | null {
  if (at === undefined) return null
  return 'socketPath' in at ? at.socketPath : `${at.host}:${at.port}`
}

/**
 * Reads what `formatAgentAt` wrote.
 * @param address the desktop's own, which counts when the row says nothing else.
 * @throws Fault `agent.unreachable` when the row says what is no place.
 */
export function parseAgentAt(vm: {
  readonly id: number
  readonly address: string
  readonly agentAt: string | null
}): AgentAt {
  const { id, address, agentAt } = vm
  if (agentAt === null) return { host: address, port: AGENT_PORT }
  if (agentAt.startsWith('/')) return { socketPath: agentAt }
  const [, host, digits] = /^([\w.-]+):(\d{1,5})$/.exec(agentAt) ?? []
  const port = Number(digits)
  if (host === undefined || port < 1 || port > 65_535)
    throw new Fault('agent.unreachable', { desktop: id, reason: `its row places it at "${agentAt}"` })
  return { host, port }
}
