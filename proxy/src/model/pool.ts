import { AT_REST } from './start-queue.ts'
import type { VmState } from './vm-machine.ts'

/** How long a user has a desktop of a pool: until it has stopped, or until it is taken from her. */
export const POOL_ASSIGNMENTS = ['floating', 'dedicated'] as const
export type PoolAssignment = (typeof POOL_ASSIGNMENTS)[number]

/** A desktop of a pool, as far as it matters whose it is. */
export interface PooledDesktop {
  readonly id: number
  readonly state: VmState
  readonly assignedTo: number | null
  /** Whose data it may hold. */
  readonly dirtyOf: number | null
  /** Nodes where it may have left something. */
  readonly remains: readonly number[]
  /** Nothing keeps a user from it: no block, no maintenance, and its node lives. */
  readonly usable: boolean
  /** Whoever has it has been in a boot of it that is over, or has not come to it for a while. */
  readonly isOver: boolean
  /** Somebody wishes it up. */
  readonly wishedUp: boolean
  /** Milliseconds that it is in its state. */
  readonly ageMs: number
}

/** A user who waits for a desktop. */
export interface PoolClaim {
  /** Grows with time. */
  readonly number: number
  readonly userId: number
}

export interface PoolRules {
  readonly assign: PoolAssignment
  /** Desktops that run and wait for somebody. */
  readonly spare: number
  /** Desktops that may be somebody's or run at once. */
  readonly most: number
}

export type PoolStep =
  | { readonly kind: 'give'; readonly claim: number; readonly userId: number; readonly vmId: number }
  /** It is nobody's from now on, and may be nobody's until it was reset. */
  | { readonly kind: 'take'; readonly vmId: number }
  | { readonly kind: 'spare'; readonly vmId: number }

/** So long a desktop that could not be started counts as one that is being made ready: it is tried again by itself. */
const FAILED_REST_MS = 600_000
/** The sooner somebody could work at it, the lower. */
const EAGERNESS: Partial<Record<VmState, number>> = {
  running: 0,
  booting: 1,
  preparing: 2,
  stopped: 3,
  failed: 4,
}

/**
 * What is to be done in a pool: desktops whose time is over are taken back, those who wait get theirs in the order of their
 * claims, and spare ones are started. Pure; whoever does it does all of it in one transaction.
 *
 * Only a desktop that holds nobody's data is given to anybody: who has waited longest waits on where there is none.
 */
export function poolSteps(
  rules: PoolRules,
  desktops: readonly PooledDesktop[],
  claims: readonly PoolClaim[],
): PoolStep[] {
  const steps: PoolStep[] = []
  const now = new Map(desktops.map((desktop) => [desktop.id, desktop]))
  const all = (): PooledDesktop[] => [...now.values()]
  if (rules.assign === 'floating')
    for (const desktop of desktops)
      if (desktop.assignedTo !== null && desktop.isOver && AT_REST.includes(desktop.state)) {
        now.set(desktop.id, { ...desktop, assignedTo: null })
        steps.push({ kind: 'take', vmId: desktop.id })
      }
  for (const { number: claim, userId } of claims.toSorted((a, b) => a.number - b.number)) {
    const found = all().find(({ assignedTo }) => assignedTo === userId) ?? freeOne(rules, all())
    // One that is on its way down will not be hers any more.
    if (found === undefined || (rules.assign === 'floating' && EAGERNESS[found.state] === undefined)) continue
    now.set(found.id, { ...found, assignedTo: userId, dirtyOf: userId })
    steps.push({ kind: 'give', claim, userId, vmId: found.id })
  }
  for (;;) {
    const next = nextSpare(rules, all())
    if (next === undefined) return steps
    now.set(next.id, { ...next, wishedUp: true })
    steps.push({ kind: 'spare', vmId: next.id })
  }
}

/** What has to be done before a desktop that is nobody's may be anybody's. */
export type ResetDuty =
  /** This node removes what it has of it. */
  | 'remove'
  /** Nothing is left anywhere. */
  | 'confirm'
  /** Another node has something of it. */
  | 'wait'

/**
 * Says what a node has to do with a desktop that may hold data of somebody who has it no more; `undefined`: nothing. Such a
 * desktop does not start.
 * @param dead whether it is certain that none of its processes lives.
 */
export function resetDuty(
  desktop: Pick<PooledDesktop, 'state' | 'assignedTo' | 'dirtyOf' | 'remains'>,
  hostId: number,
  dead: boolean,
): ResetDuty | undefined {
  if (desktop.dirtyOf === null || desktop.assignedTo !== null) return undefined
  if (!dead || !AT_REST.includes(desktop.state)) return 'wait'
  if (desktop.remains.includes(hostId)) return 'remove'
  return desktop.remains.length === 0 ? 'confirm' : 'wait'
}

function freeOne(rules: PoolRules, desktops: readonly PooledDesktop[]): PooledDesktop | undefined {
  const isFull = inUse(rules, desktops) >= rules.most
  return desktops
    .filter(isOffered)
    .filter(({ state }) => !isFull || !AT_REST.includes(state))
    .toSorted((a, b) => eagerness(a) - eagerness(b) || a.id - b.id)[0]
}

function nextSpare(rules: PoolRules, desktops: readonly PooledDesktop[]): PooledDesktop | undefined {
  const spare = desktops.filter((desktop) => isOffered(desktop) && isUpSoon(desktop))
  if (spare.length >= rules.spare || inUse(rules, desktops) >= rules.most) return undefined
  return desktops
    .filter((desktop) => isOffered(desktop) && AT_REST.includes(desktop.state) && !desktop.wishedUp)
    .filter((desktop) => desktop.state === 'stopped' || isSpent(desktop))
    .toSorted((a, b) => eagerness(a) - eagerness(b) || a.id - b.id)[0]
}

/** True for a desktop that may be given to anybody. */
function isOffered({ state, assignedTo, dirtyOf, usable }: PooledDesktop): boolean {
  return usable && assignedTo === null && dirtyOf === null && EAGERNESS[state] !== undefined
}

function eagerness({ state }: PooledDesktop): number {
  return EAGERNESS[state] ?? Infinity
}

function inUse({ assign }: PoolRules, desktops: readonly PooledDesktop[]): number {
  return desktops.filter(
    (desktop) => isUpSoon(desktop) || (assign === 'floating' && desktop.assignedTo !== null),
  ).length
}

function isUpSoon(desktop: PooledDesktop): boolean {
  return !AT_REST.includes(desktop.state) || (desktop.wishedUp && !isSpent(desktop))
}

/** True for a desktop that has failed so long ago that nobody should wait for it. */
function isSpent({ state, ageMs }: PooledDesktop): boolean {
  return state === 'failed' && ageMs > FAILED_REST_MS
}
