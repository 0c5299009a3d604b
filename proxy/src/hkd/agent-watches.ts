import type { Log } from '@ostler/kit/log.ts'
import type { AgentLink } from '../guest/agent-link.ts'
import type { Hypervisor } from '../hypervisor/hypervisor.ts'
import { parseAgentAt } from '../model/agent-at.ts'
import type { AgentPatience } from '../model/agent-verdict.ts'
import { runFolder } from '../model/run-folder.ts'
import { noteAgent } from '../store/agent-verdicts.ts'
import type { Db } from '../store/open.ts'
import { addHookResult } from '../store/session-hooks.ts'
import type { VmPlan } from '../store/vms.ts'
import { AgentWatch } from './agent-watch.ts'
import { ticketFolder } from './ticket-folder.ts'
import type { AgentFound, LostAgent } from './trouble.ts'
import type { Trust } from './trust.ts'

export interface AgentWatchesParts {
  readonly db: Db
  readonly trust: Trust
  /** `path.run` */
  readonly run: string
  readonly displayUid: number
  /** When the desktop of a silent agent is stopped. */
  readonly patience: AgentPatience
  readonly log: Log
}

/** The agents of this node's desktops, one of each boot: watches them, and writes down how they are. */
export class AgentWatches implements Disposable {
  readonly #parts: AgentWatchesParts
  readonly #onChange: (id: number) => void
  readonly #watches = new Map<number, { epoch: number; watch: AgentWatch }>()

  /** @param onChange called with the number of a desktop whose agent came, went, or is otherwise than before. */
  constructor(parts: AgentWatchesParts, onChange: (id: number) => void) {
    this.#parts = parts
    this.#onChange = onChange
  }

  /** How many answer now. */
  get up(): number {
    return [...this.#watches.values()].filter(({ watch }) => watch.link !== undefined).length
  }

  /** The agent of a desktop while it answers. */
  linkOf(id: number): AgentLink | undefined {
    return this.#watches.get(id)?.watch.link
  }

  /** How the agent of a desktop is; `undefined` when nobody can tell. */
  foundOf(id: number): AgentFound | undefined {
    return this.#watches.get(id)?.watch.health.state
  }

  /** The agent of a desktop that was reached in vain for too long; it may be stopped if nobody sits there. */
  lostOf(id: number): LostAgent | undefined {
    const health = this.#watches.get(id)?.watch.health
    const silentMs = health?.lostForMs(this.#parts.patience)
    const state = health?.state
    if (silentMs === undefined || state === undefined) return undefined
    return { verdict: state.verdict, said: state.said, silentMs }
  }

  /** Milliseconds after which a silent agent may be given up: then its desktop is to be looked at. */
  lookInMs(id: number): number {
    const known = this.#watches.get(id)
    if (known === undefined || known.watch.link !== undefined) return Infinity
    const silentMs = known.watch.health.state?.sinceMs ?? 0
    return Math.max(1_000, this.#parts.patience.ms - silentMs + 10)
  }

  /** Watches the agent of a boot, if that is not done. @param fresh it is to be enrolled first. */
  watch(plan: VmPlan, hypervisor: Hypervisor, fresh: boolean): void {
    const known = this.#watches.get(plan.id)
    if (known?.epoch === plan.epoch) return
    known?.watch[Symbol.dispose]()
    const { db, trust, run, displayUid, log } = this.#parts
    const at = hypervisor.observe(plan.id).agentAt ?? parseAgentAt(plan)
    const watch = new AgentWatch(
      {
        address: { desktop: plan.id, epoch: plan.epoch, ...at },
        tickets: hypervisor.tickets?.(plan.id) ?? ticketFolder(runFolder(run, plan.id).boot),
        displayUid,
        trust,
        log,
        onChange: () => this.#onChange(plan.id),
        onHook: (session, result) => {
          addHookResult(db, { vmId: plan.id, epoch: plan.epoch, session }, result).catch((error: unknown) =>
            log.warn('result of a hook is lost', { desktop: plan.id, error }),
          )
        },
      },
      fresh,
    )
    this.#watches.set(plan.id, { epoch: plan.epoch, watch })
  }

  /**
   * Writes down how the agent of a desktop is. Its log has what is worth a look: not that an agent is not there yet, nor that a
   * new one has come up, which the timeline of the start has.
   */
  async note(plan: VmPlan): Promise<void> {
    const known = this.#watches.get(plan.id)
    const state = known?.epoch === plan.epoch ? known.watch.health.state : undefined
    if (state === undefined || state.verdict === plan.agentVerdict) return
    const isNew = plan.agentVerdict === null || plan.agentVerdict === 'notStarted'
    const isLogged = state.verdict !== 'notStarted' && !(isNew && state.verdict === 'answers')
    await noteAgent(this.#parts.db, plan, state, isLogged)
  }

  forget(id: number): void {
    this.#watches.get(id)?.watch[Symbol.dispose]()
    this.#watches.delete(id)
  }

  [Symbol.dispose](): void {
    for (const { watch } of this.#watches.values()) watch[Symbol.dispose]()
  }
}
