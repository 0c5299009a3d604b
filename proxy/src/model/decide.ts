import { type VmEvent, type VmState, vmMachine } from './vm-machine.ts'

/** Everything that a decision rests on. */
export interface VmFacts {
  readonly state: VmState
  /** Milliseconds since the state was entered. */
  readonly ageMs: number
  /** What all open wishes come to. */
  readonly goal: 'up' | 'down' | undefined
  /** Whether processes of the desktop exist on its node; `unknown` when nobody could look. */
  readonly processes: 'present' | 'absent' | 'unknown'
  /** How the entry effect of this state is doing. */
  readonly effect: 'pending' | 'done' | 'failed'
  /** True when the agent of this boot answers. */
  readonly agentUp: boolean
  /** True when a fault brought the desktop here. */
  readonly faulty: boolean
}

/**
 * Says what happens to a desktop next; `undefined`: nothing. Pure: the same facts always give the same event,
 * so a restarted hkd simply looks and decides again.
 */
export function decide(facts: VmFacts): VmEvent | undefined {
  const { deadlineMs } = vmMachine[facts.state]
  return decideByFacts(facts) ?? (deadlineMs !== null && facts.ageMs > deadlineMs ? 'deadline' : undefined)
}

function decideByFacts(facts: VmFacts): VmEvent | undefined {
  const dead = facts.processes === 'absent'
  switch (facts.state) {
    case 'stopped':
      return facts.goal === 'up' ? 'start' : undefined
    case 'preparing':
      if (facts.effect === 'failed') return 'fault'
      if (facts.goal === 'down' && facts.effect === 'done') return 'stop'
      return facts.effect === 'done' ? 'prepared' : undefined
    case 'booting':
      if (facts.effect === 'failed') return 'fault'
      if (facts.effect === 'done' && dead) return 'exited'
      if (facts.goal === 'down') return 'stop'
      return facts.agentUp ? 'agentUp' : undefined
    case 'running':
      if (dead) return 'exited'
      return facts.goal === 'down' ? 'stop' : undefined
    case 'stopping':
      return dead ? 'exited' : undefined
    case 'killing':
      if (!dead) return undefined
      return facts.faulty ? 'fault' : 'exited'
    case 'lost':
      return dead ? 'exited' : undefined
    case 'failed':
      return facts.goal === 'up' ? 'reset' : undefined
  }
}
