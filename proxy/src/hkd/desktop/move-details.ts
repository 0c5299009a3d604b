import { Fault } from '@ostler/contract/fault.ts'
import type { TimelineStep } from '@ostler/contract/timeline.ts'
import { type AgentAt, formatAgentAt } from '../../model/agent-at.ts'
import type { HypervisorKind } from '../../model/hypervisor-kind.ts'
import { deadlineOf, type VmEvent, type VmState } from '../../model/vm-machine.ts'
import { mergeWishes, ONE_TIME_WISHES } from '../../model/wish.ts'
import type { Transition, Trouble, VmPlan } from '../../store/vms.ts'
import { type AgentFound, agentLost, agentMissing, type LostAgent, troubleOf } from '../trouble.ts'

/** Who wishes when an image expires. */
export const EXPIRY = 'expiry'

const STEPS: Partial<Record<VmEvent, readonly TimelineStep[]>> = {
  start: ['placed'],
  prepared: ['prepared', 'booting'],
  agentUp: ['agent up'],
}

/** What is written with a move besides the state: timeline, fault, and the wishes that it serves. Pure. */
export function moveDetails(
  plan: VmPlan,
  event: VmEvent,
  to: VmState,
  found: {
    /** Why the entry effect failed. */
    readonly trouble: Trouble | undefined
    /** How the agent of this boot is, as far as anybody can tell. */
    readonly agent: AgentFound | undefined
    /** The same of one that was given up. */
    readonly lostAgent: LostAgent | undefined
    /** How long a desktop that fails now waits until it is started by itself. */
    readonly retryInMs: number
    readonly agentAt: AgentAt | undefined
    /** What would run a boot that begins now. */
    readonly hypervisor: HypervisorKind
  },
): Omit<Transition, 'vm' | 'event' | 'to'> {
  const { agentAt, hypervisor, lostAgent, retryInMs } = found
  const steps = STEPS[event] ?? []
  switch (to) {
    case 'preparing': {
      const queuedAt = plan.wishes.find((wish) => ONE_TIME_WISHES.up.includes(wish.kind))?.at
      const imageId = plan.image?.id
      return {
        steps,
        fault: null,
        agentAt: null,
        hypervisor,
        ...(queuedAt === undefined ? {} : { queuedAt }),
        ...(imageId === undefined ? {} : { imageId }),
      }
    }
    case 'running':
      return { steps, agentAt: formatAgentAt(agentAt), serves: { goal: 'up', outcome: 'running' } }
    case 'stopped':
      if (event === 'reset') return { asked: plan.resetAsked }
      return {
        hostId: null,
        agentAt: null,
        serves: { goal: 'down', outcome: 'stopped' },
        ...startAgain(plan),
      }
    case 'failed': {
      const fault = keptTrouble(plan) ?? whatFailed(plan, event, found)
      const serves = { goal: 'up', outcome: fault.text, keepsPersistent: true } as const
      return { hostId: null, agentAt: null, fault, retryInMs, serves }
    }
    case 'killing':
      // A stop that takes too long is no fault of the desktop's.
      return plan.state === 'stopping' ? {} : { fault: whatFailed(plan, event, found) }
    case 'stopping':
      return lostAgent === undefined || event !== 'agentLost'
        ? { steps }
        : { steps, fault: agentLost(plan.id, lostAgent) }
    case 'booting':
    case 'lost':
      return { steps }
  }
}

/** A desktop that was ended because its image is too old starts anew at once; QVD's manual says so, its code does not. */
function startAgain(plan: VmPlan): Pick<Transition, 'again'> {
  const wish = mergeWishes(plan.wishes)?.wish
  if (wish?.kind !== 'expire') return {}
  return { again: { by: EXPIRY, reason: `restart: ${wish.reason}` } }
}

/** What already stands in its row. */
function keptTrouble({ fault, faultCode, faultCure }: VmPlan): Trouble | undefined {
  return fault === null ? undefined : { text: fault, code: faultCode, cure: faultCure }
}

function whatFailed(
  plan: VmPlan,
  event: VmEvent,
  { trouble, agent }: { trouble: Trouble | undefined; agent: AgentFound | undefined },
): Trouble {
  if (trouble !== undefined) return trouble
  if (event === 'exited') return troubleOf(new Fault('desktop.ended'))
  const seconds = (deadlineOf(plan.state, plan.hypervisor) ?? 0) / 1000
  if (plan.state === 'booting' && agent !== undefined) return agentMissing(seconds, agent)
  return troubleOf(new Fault('desktop.late', { state: plan.state, seconds }))
}
