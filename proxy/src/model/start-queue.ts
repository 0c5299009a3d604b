import type { VmState } from './vm-machine.ts'
import { mergeWishes, ONE_TIME_WISHES, type WishKind } from './wish.ts'

/** States in which a desktop takes one of its node's places for starts (`hkd.vm.starting.max`). */
export const STARTING: readonly VmState[] = ['preparing', 'booting']

/** States in which nothing of a desktop runs: from there one that is wished up may start. */
export const AT_REST: readonly VmState[] = ['stopped', 'failed']

/** An open wish, as far as the order of starts depends on it. */
export interface QueuedWish {
  /** Grows with time. */
  readonly number: number
  readonly kind: WishKind
  /** True while a user looks on and waits. */
  readonly interactive: boolean
  readonly waitedMs: number
}

/** A desktop at rest for which there are wishes. */
export interface WaitingDesktop {
  readonly vmId: number
  readonly userId: number
  /** Why it cannot start yet whatever its turn, such as an image that is being unpacked; others pass it. */
  readonly held: string | null
  readonly wishes: readonly QueuedWish[]
}

/** Everything on which the order of starts rests: rows, and nothing that a process remembers. */
export interface StartQueue {
  readonly waiting: readonly WaitingDesktop[]
  /** Owners of the desktops that are starting now, one entry for each desktop. */
  readonly startingUsers: readonly number[]
  /** How many starts there have been so far. */
  readonly starts: number
  /** Places for starts that are free now, on all nodes that take desktops. */
  readonly free: number
}

/** Whoever has waited so long is overdue. */
export const OVERDUE_MS = 60_000
/** Of so many starts one is for whoever is overdue longest, whoever else has come since. */
export const OVERDUE_EVERY = 4

interface Entry {
  readonly vmId: number
  readonly userId: number
  readonly number: number
  readonly interactive: boolean
  readonly waitedMs: number
}

/**
 * Says in which order waiting desktops start: those for which a user waits before others; among these, users by turns,
 * whoever has fewest desktops starting first; then by age. Every fourth start is for whoever is overdue longest, so that
 * with `m` overdue longer a desktop waits for 4 · (m + 1) more starts at most, whoever else comes.
 *
 * @returns numbers of desktops. One that is held, or wished down, is not among them.
 */
export function startOrder({ waiting, startingUsers, starts }: StartQueue): number[] {
  const entries = waiting.flatMap((desktop) => entryOf(desktop) ?? [])
  const turns = turnsOf(entries, startingUsers)
  const byTurn = entries.toSorted(
    (a, b) =>
      Number(b.interactive) - Number(a.interactive) ||
      (turns.get(a.vmId) ?? 0) - (turns.get(b.vmId) ?? 0) ||
      a.number - b.number,
  )
  const overdue = entries.filter(({ waitedMs }) => waitedMs >= OVERDUE_MS).toSorted(byNumber)
  const order = new Set<number>()
  const takeFrom = (list: Entry[]): boolean => {
    let first = list.shift()
    while (first !== undefined && order.has(first.vmId)) first = list.shift()
    if (first !== undefined) order.add(first.vmId)
    return first !== undefined
  }
  while (order.size < entries.length) {
    const isTheirs = (starts + order.size + 1) % OVERDUE_EVERY === 0
    if (!isTheirs || !takeFrom(overdue)) takeFrom(byTurn)
  }
  return [...order]
}

/** Where a desktop stands. */
export type StartPlace =
  /** It waits for a free place, as the n-th. */
  | { readonly kind: 'queued'; readonly position: number }
  /** Something else than its turn keeps it. */
  | { readonly kind: 'held'; readonly reason: string }
  /** It starts any moment, or is no longer at rest. */
  | { readonly kind: 'next' }

/** Where each waiting desktop stands; whoever is not named is `next`. */
export function startPlaces(queue: StartQueue): ReadonlyMap<number, StartPlace> {
  const queued = startOrder(queue)
    .slice(queue.free)
    .map((vmId, index) => [vmId, { kind: 'queued', position: index + 1 }] as const)
  const held = queue.waiting.flatMap(({ vmId, held }) =>
    held === null ? [] : [[vmId, { kind: 'held', reason: held }] as const],
  )
  return new Map<number, StartPlace>([...queued, ...held])
}

function entryOf({ vmId, userId, held, wishes }: WaitingDesktop): Entry | undefined {
  if (held !== null || mergeWishes(wishes)?.goal !== 'up') return undefined
  const up = wishes.filter(({ kind }) => ONE_TIME_WISHES.up.includes(kind))
  return {
    vmId,
    userId,
    number: Math.min(...up.map(({ number }) => number)),
    interactive: up.some(({ kind, interactive }) => kind === 'run' && interactive),
    waitedMs: Math.max(...up.map(({ waitedMs }) => waitedMs)),
  }
}

/** Of each desktop how many of its user's come before it: those that start already, and older ones of its kind. */
function turnsOf(entries: readonly Entry[], startingUsers: readonly number[]): Map<number, number> {
  const turns = new Map<number, number>()
  for (const interactive of [true, false]) {
    const count = new Map<number, number>()
    for (const user of startingUsers) count.set(user, (count.get(user) ?? 0) + 1)
    for (const { vmId, userId } of entries
      .filter((entry) => entry.interactive === interactive)
      .toSorted(byNumber)) {
      const turn = count.get(userId) ?? 0
      turns.set(vmId, turn)
      count.set(userId, turn + 1)
    }
  }
  return turns
}

function byNumber(a: Entry, b: Entry): number {
  return a.number - b.number
}
