import type { AgentFailure } from '../model/agent-verdict.ts'

/** An agent that was reached and says nothing. */
export class AgentSilence extends Error {}

/** What the system says where nothing listens, or nothing is. */
const ABSENT = [
  'ECONNREFUSED',
  'ENOENT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ETIMEDOUT',
  'EADDRNOTAVAIL',
  'ENXIO',
]
const MAX_CAUSES = 5

/** An attempt that came to nothing before anybody took the connection. */
export class AgentAbsence extends Error {}

/** What became of an attempt to reach an agent, by the error in which it ended. */
export function agentFailure(error: unknown): AgentFailure {
  let cause = error
  for (let depth = 0; depth < MAX_CAUSES && cause instanceof Error; depth++) {
    if (cause instanceof AgentSilence) return 'silent'
    const { code } = cause as { code?: unknown }
    if (cause instanceof AgentAbsence || (typeof code === 'string' && ABSENT.includes(code))) return 'absent'
    cause = cause.cause
  }
  return 'refused'
}
