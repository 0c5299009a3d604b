import { Fault } from '@ostler/contract/fault.ts'
import { withoutSecrets } from '@ostler/kit/log/redact.ts'
import { type AgentVerdict, VERDICT_WORDS } from '../model/agent-verdict.ts'
import type { Trouble } from '../store/vms.ts'

/** As much of a reason as is kept in a row. */
const MAX_TEXT = 2_000

/** What went wrong, as it is kept with the desktop: without secrets that a program may have printed. */
export function troubleOf(error: unknown): Trouble {
  const text = withoutSecrets(error instanceof Error ? error.message : String(error)).slice(0, MAX_TEXT)
  return error instanceof Fault
    ? { text, code: error.code, cure: error.advice }
    : { text, code: null, cure: null }
}

/** How an agent is, and what came of the last attempt to reach it. */
export interface AgentFound {
  readonly verdict: AgentVerdict
  readonly said: string | null
}

/** The agent of a running desktop that was reached in vain for too long. */
export interface LostAgent extends AgentFound {
  readonly silentMs: number
}

/** Why a desktop is stopped whose agent was given up. */
export function agentLost(desktop: number, agent: LostAgent): Trouble {
  const seconds = Math.round(agent.silentMs / 1_000)
  return troubleOf(new Fault('desktop.agentLost', { desktop, verdict: wordsOf(agent), seconds }))
}

/** Why a boot is given up whose system is up, for all one can tell, and whose agent has never answered. */
export function agentMissing(seconds: number, agent: AgentFound): Trouble {
  return troubleOf(new Fault('desktop.noAgent', { seconds, verdict: wordsOf(agent) }))
}

function wordsOf({ verdict, said }: AgentFound): string {
  return `${VERDICT_WORDS[verdict]}${said === null ? '' : ` (${said})`}`
}
