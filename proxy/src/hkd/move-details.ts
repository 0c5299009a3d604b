import type { TimelineStep } from '@ostler/contract/timeline.ts'
import { type AgentAt, formatAgentAt } from '../model/agent-at.ts'
import type { HypervisorKind } from '../model/hypervisor-kind.ts'
import { deadlineOf, type VmEvent, type VmState } from '../model/vm-machine.ts'
import { mergeWishes, ONE_TIME_WISHES } from '../model/wish.ts'
import type { Transition, VmPlan } from '../store/vms.ts'

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
    readonly effectFault: string | undefined
    readonly agentAt: AgentAt | undefined
    /** What would run a boot that begins now. */
    readonly hypervisor: HypervisorKind
  },
): Omit<Transition, 'vm' | 'event' | 'to'> {
  const { effectFault, agentAt, hypervisor } = found
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
      if (event === 'reset') return {}
      return {
        hostId: null,
        agentAt: null,
        serves: { goal: 'down', outcome: 'stopped' },
        ...startAgain(plan),
      }
    case 'failed': {
      const fault = plan.fault ?? faultText(plan, event, effectFault)
      return { hostId: null, agentAt: null, fault, serves: { goal: 'up', outcome: fault } }
    }
    case 'killing':
      // A stop that takes too long is no fault of the desktop's.
      return plan.state === 'stopping' ? {} : { fault: faultText(plan, event, effectFault) }
    case 'booting':
    case 'stopping':
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

function faultText(plan: VmPlan, event: VmEvent, effectFault: string | undefined): string {
  if (effectFault !== undefined) return effectFault
  if (event === 'exited') return 'the desktop ended before its agent answered'
  return `${plan.state} took longer than ${(deadlineOf(plan.state, plan.hypervisor) ?? 0) / 1000} s`
}
