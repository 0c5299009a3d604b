import type { HypervisorKind } from './hypervisor-kind.ts'
import { deadlineOf, type VmEvent, type VmState } from './vm-machine.ts'

/** Everything that a decision rests on. */
export interface VmFacts {
  readonly state: VmState
  /** What runs its present boot, if it had one. */
  readonly hypervisor: HypervisorKind | null
  /** Milliseconds since the state was entered, or since this hkd first saw it: its own absence counts for nothing. */
  readonly ageMs: number
  /** What all open wishes come to. */
  readonly goal: 'up' | 'down' | undefined
  /** Whether processes of the desktop exist on its node; `unknown` when nobody could look. */
  readonly processes: 'present' | 'absent' | 'unknown'
  /** How the entry effect of this state is doing. */
  readonly effect: 'pending' | 'done' | 'failed'
  /** True when the agent of this boot answers. */
  readonly agentUp: boolean
  /** True when the agent of this boot was given up, and nobody sits there. */
  readonly agentLost: boolean
  /** True when a fault brought the desktop here. */
  readonly faulty: boolean
  /** True when a start may be tried although the last one failed. */
  readonly mayTry: boolean
  /** True when an administrator takes back that it failed. */
  readonly resetAsked: boolean
}

/**
 * Says what happens to a desktop next; `undefined`: nothing. Pure: the same facts always give the same event,
 * so a restarted hkd simply looks and decides again.
 */
export function decide(facts: VmFacts): VmEvent | undefined {
  // An effect that is under way may still make what an event would take away.
  if (facts.effect === 'pending' && (facts.state === 'preparing' || facts.state === 'booting'))
    return undefined
  const deadlineMs = deadlineOf(facts.state, facts.hypervisor)
  return decideByFacts(facts) ?? (deadlineMs !== null && facts.ageMs > deadlineMs ? 'deadline' : undefined)
}

function decideByFacts(facts: VmFacts): VmEvent | undefined {
  const dead = facts.processes === 'absent'
  switch (facts.state) {
    case 'stopped':
      // Whatever still runs must be gone first: two would write to one overlay and one home.
      return facts.goal === 'up' && dead ? 'start' : undefined
    case 'preparing':
      if (facts.effect === 'failed') return 'fault'
      return facts.goal === 'down' ? 'stop' : 'prepared'
    case 'booting':
      if (facts.effect === 'failed') return 'fault'
      if (dead) return 'exited'
      if (facts.goal === 'down') return 'stop'
      return facts.agentUp ? 'agentUp' : undefined
    case 'running':
      if (dead) return 'exited'
      if (facts.goal === 'down') return 'stop'
      return facts.agentLost ? 'agentLost' : undefined
    case 'stopping':
      return dead ? 'exited' : undefined
    case 'killing':
      if (!dead) return undefined
      return facts.faulty ? 'fault' : 'exited'
    case 'lost':
      return dead ? 'exited' : undefined
    case 'failed':
      return facts.resetAsked || (facts.goal === 'up' && facts.mayTry) ? 'reset' : undefined
  }
}
