/** What became of one attempt to reach an agent: nothing listens there; it listened and said no; it listened and said nothing. */
export type AgentFailure = 'absent' | 'refused' | 'silent'

/** The ways in which an agent is reached: with a boot's secret while it is new, with certificates afterwards. */
export type AgentWay = 'enrol' | 'watch'

/**
 * How an agent is. `notStarted`: nothing of it was seen in this boot. `unreachable`: it was there, and nothing listens now.
 * `refusing`: it listens and says no, whichever way it is asked. `hung`: it takes a connection and says nothing.
 */
export const AGENT_VERDICTS = ['answers', 'notStarted', 'unreachable', 'refusing', 'hung'] as const
export type AgentVerdict = (typeof AGENT_VERDICTS)[number]

/** In words, after "the agent". */
export const VERDICT_WORDS: Readonly<Record<AgentVerdict, string>> = {
  answers: 'answers',
  notStarted: 'has not started yet',
  unreachable: 'is unreachable',
  refusing: 'refuses',
  hung: 'hangs',
}

/** What was seen of the agent of one boot. */
export interface AgentSeen {
  /** It answers now. */
  readonly up: boolean
  /** Something of it was seen in this boot. */
  readonly known: boolean
  /** What came of the newest attempt of each way since it last answered. */
  readonly failed: Readonly<Partial<Record<AgentWay, AgentFailure>>>
  /** Which of the two was the newest. */
  readonly newest: AgentWay | undefined
  /** Milliseconds since it last answered, or since it is watched. */
  readonly silentMs: number
}

/** An agent that is only restarted is back within this. */
const RESTART_MS = 1_000

/** Says how an agent is; `undefined`: nobody can tell yet. Pure. */
export function judgeAgent(seen: AgentSeen): AgentVerdict | undefined {
  if (seen.up) return 'answers'
  const { enrol, watch } = seen.failed
  if (enrol === 'silent' || watch === 'silent') return 'hung'
  if (seen.newest === undefined || seen.silentMs < RESTART_MS) return undefined
  if (seen.failed[seen.newest] === 'absent') return seen.known ? 'unreachable' : 'notStarted'
  // An agent in enrolment refuses certificates, an enrolled one the secret: only both together are a no.
  return enrol === 'refused' && watch === 'refused' ? 'refusing' : undefined
}

/** When the desktop of a silent agent is stopped: after so many attempts and so many milliseconds, both (C-109). */
export interface AgentPatience {
  readonly attempts: number
  readonly ms: number
}

/** True when an agent that was reached in vain `attempts` times is given up. */
export function isGivenUp(seen: { attempts: number; silentMs: number }, patience: AgentPatience): boolean {
  return seen.attempts >= patience.attempts && seen.silentMs > patience.ms
}
