import type { AgentLink } from '../../guest/agent-link.ts'
import { expiryStep } from '../../model/expiry.ts'
import type { Db } from '../../store/open.ts'
import { addWish, type VmPlan } from '../../store/vms.ts'
import type { ExpiryNotice } from './expiry-notice.ts'
import { EXPIRY } from './move-details.ts'

/** A timer cannot wait for a month. */
const DAY_MS = 86_400_000

export interface ExpiryDutyParts {
  readonly db: Db
  readonly notice: ExpiryNotice
  /** How often a user is told that her desktop expires. */
  readonly remindMs: number
}

/**
 * Does what the expiry of a running desktop demands: its user is told, or its end is wished.
 * @param link its agent, while it answers.
 * @param after called when the user was told, well or not.
 * @returns after how many milliseconds it may demand more.
 */
export async function keepExpiry(
  { db, notice, remindMs }: ExpiryDutyParts,
  plan: VmPlan,
  link: AgentLink | undefined,
  after: () => void,
): Promise<number> {
  const { due, lookInMs } = expiryStep(plan.expiry, remindMs)
  if (due === 'end' && !plan.wishes.some(({ kind }) => kind === 'expire')) {
    const reason = `expired at ${plan.expiry.hard ?? ''}`
    await addWish(db, { vmId: plan.id, kind: 'expire', by: EXPIRY, reason })
  }
  const lookAgain = Math.min(lookInMs, DAY_MS)
  if (due !== 'tell') return lookAgain
  const again = notice.tell(plan, link, after)
  return Math.min(lookAgain, again === 0 ? DAY_MS : again)
}
