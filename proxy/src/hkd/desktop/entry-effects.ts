import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { DesktopSpec, Hypervisor, Hypervisors } from '../../hypervisor/hypervisor.ts'
import { markHomeMade } from '../../store/homes.ts'
import type { Db } from '../../store/open.ts'
import { type Trouble, type VmPlan, warnOfVm } from '../../store/vms.ts'
import type { AgentWatches } from '../agent-watches.ts'
import { troubleOf } from '../trouble.ts'
import { driverOf, specOf } from './boot-spec.ts'

export interface EntryEffectsParts {
  readonly db: Db
  readonly hostId: number
  readonly hypervisors: Hypervisors
  /** Every node has the same homes. */
  readonly homesShared: boolean
  readonly log: Log
}

/** What is done because a desktop came into a state. */
export interface Effect {
  readonly key: string
  /** When this process first saw the state, in `performance.now()`. */
  readonly since: number
  status: 'pending' | 'done' | 'failed'
  trouble: Trouble | undefined
  /** What runs the desktop in that state. */
  readonly hypervisor: Hypervisor
}

/** The entry effects of states: each runs once per boot and process of ours. All of them are idempotent. */
export class EntryEffects {
  readonly #parts: EntryEffectsParts
  readonly #agents: AgentWatches
  readonly #look: (id: number) => void
  readonly #effects = new Map<number, Effect>()

  /** @param look called with the number of a desktop whose effect has ended. */
  constructor(parts: EntryEffectsParts, agents: AgentWatches, look: (id: number) => void) {
    this.#parts = parts
    this.#agents = agents
    this.#look = look
  }

  /** The effect of a desktop's state, which begins if it has not yet. */
  ensure(plan: VmPlan): Effect {
    const key = keyOf(plan)
    const known = this.#effects.get(plan.id)
    if (known?.key === key) return known
    const hypervisor = driverOf(this.#parts.hypervisors, plan)
    const effect: Effect = {
      ...{ key, hypervisor },
      since: performance.now(),
      status: 'pending',
      trouble: undefined,
    }
    this.#effects.set(plan.id, effect)
    this.#enter(plan, hypervisor).then(
      () => {
        effect.status = 'done'
        this.#look(plan.id)
      },
      (error: unknown) => {
        effect.status = 'failed'
        effect.trouble = troubleOf(error)
        this.#parts.log.error('effect failed', { vm: plan.id, state: plan.state, error })
        this.#look(plan.id)
      },
    )
    return effect
  }

  /** The effect of a state that a desktop has come into, when it is done. */
  doneOf(vm: Pick<VmPlan, 'id' | 'epoch' | 'state'>): Effect | undefined {
    const effect = this.#effects.get(vm.id)
    return effect?.key === keyOf(vm) && effect.status === 'done' ? effect : undefined
  }

  forget(id: number): void {
    this.#effects.delete(id)
  }

  async #enter(plan: VmPlan, hypervisor: Hypervisor): Promise<void> {
    switch (plan.state) {
      case 'preparing':
        await this.#prepare(hypervisor, specOf(plan))
        return
      case 'booting':
        await this.#boot(plan, hypervisor, specOf(plan))
        return
      case 'running':
        this.#agents.watch(plan, hypervisor, false)
        return
      case 'stopping':
        await this.#powerOff(plan, hypervisor)
        return
      case 'killing': // every look kills, not only the first
      case 'stopped':
      case 'failed':
      case 'lost':
        return
    }
  }

  async #prepare(hypervisor: Hypervisor, spec: DesktopSpec): Promise<void> {
    const { db, hostId, homesShared } = this.#parts
    await hypervisor.prepare(spec)
    if (!spec.home.isMade && spec.home.id > 0)
      await markHomeMade(db, spec.home.id, homesShared ? null : hostId)
  }

  async #boot(plan: VmPlan, hypervisor: Hypervisor, spec: DesktopSpec): Promise<void> {
    await hypervisor.boot(spec)
    const warning = hypervisor.warning?.(spec)
    if (warning !== undefined) {
      this.#parts.log.warn('desktop runs with a warning', { vm: plan.id, warning })
      await warnOfVm(this.#parts.db, plan, warning)
    }
    this.#agents.watch(plan, hypervisor, true)
  }

  async #powerOff(plan: VmPlan, hypervisor: Hypervisor): Promise<void> {
    this.#agents.watch(plan, hypervisor, false)
    const agent = this.#agents.linkOf(plan.id)
    try {
      if (agent === undefined)
        throw new Fault('agent.unreachable', { desktop: plan.id, reason: 'not watched' })
      await agent.client.poweroff({})
    } catch {
      await hypervisor.powerOff(plan.id)
    }
  }
}

function keyOf({ epoch, state }: Pick<VmPlan, 'epoch' | 'state'>): string {
  return `${epoch} ${state}`
}
