import { Seeded } from '../door/gate/seeded.ts'
import type { ChaosOptions } from './options.ts'

/** Everything that breaks, by name; `faults.ts` says how. */
export const FAULT_NAMES = [
  'nothing',
  'hkd killed',
  'hkd frozen',
  'door killed',
  'door frozen',
  'api killed',
  'agents frozen',
  'agents killed',
  'machines die',
  'postgresql killed',
  'backend killed',
  'postgresql frozen',
  'database away',
  'hints lost',
  'run folder full',
  'database disk full',
  'clocks jump',
] as const
export type FaultName = (typeof FAULT_NAMES)[number]

/** What only scripted machines can suffer, or clocks and disks that are nobody else's. */
const SIMULATED_ONLY: readonly FaultName[] = [
  'machines die',
  'run folder full',
  'database disk full',
  'clocks jump',
]
const REAL_ONLY: readonly FaultName[] = ['agents killed']

/** What an administrator or a user does meanwhile. */
export const ORDER_KINDS = [
  'start',
  'stop',
  'block',
  'unblock',
  'tag',
  'note',
  'connect',
  'disconnect',
] as const
export interface Order {
  readonly kind: (typeof ORDER_KINDS)[number]
  /** Desktops are counted from 0. */
  readonly desktop: number
  readonly afterMs: number
}

/** One thing that breaks in a round. Times are milliseconds of our clock. */
export interface PlannedFault {
  readonly name: FaultName
  readonly afterMs: number
  readonly forMs: number
}

/** One round. The same seed and number give the same round, whatever was played before. */
export interface Plan {
  readonly faults: readonly PlannedFault[]
  readonly orders: readonly Order[]
}

/** The first desktops are looked at without a break: they are never told to stop. */
export const WATCHED = 2
/** What the others are told, starts and stops more often than the rest. */
const FOR_OTHERS = [
  'start',
  'start',
  'start',
  'stop',
  'stop',
  'block',
  'unblock',
  'tag',
  'note',
  'connect',
] as const
const MOST_ORDERS = 10
const WITHIN_MS = 1_200
const LONGEST_FAULT_MS = 1_500
/** Of so many rounds one has two faults at once. */
const DOUBLE_EVERY = 4
/** Of so many rounds one cuts off somebody who looks at a desktop. */
const DISCONNECT_EVERY = 6

/** Says what happens in a round. Each fault has its turn; all else is drawn. */
export function planRound({ seed, driver, desktops }: ChaosOptions, round: number): Plan {
  const random = new Seeded(seed * 1_000_003 + round)
  const never = driver === 'simulated' ? REAL_ONLY : SIMULATED_ONLY
  const names = FAULT_NAMES.filter((name) => !never.includes(name))
  const drawn = <T>(from: readonly T[], otherwise: T): T => from[random.below(from.length)] ?? otherwise
  const fault = (name: FaultName): PlannedFault => ({
    name,
    afterMs: random.below(400),
    forMs: 100 + random.below(LONGEST_FAULT_MS),
  })
  const first = names[(round - 1) % names.length] ?? 'nothing'
  const second = drawn(names, 'nothing')
  const isDouble = random.below(DOUBLE_EVERY) === 0 && second !== first
  const orders = Array.from({ length: 1 + random.below(MOST_ORDERS) }, (): Order => ({
    kind: drawn(FOR_OTHERS, 'start'),
    desktop: WATCHED + random.below(desktops - WATCHED),
    afterMs: random.below(WITHIN_MS),
  }))
  if (random.below(DISCONNECT_EVERY) === 0)
    orders.push({ kind: 'disconnect', desktop: random.below(WATCHED), afterMs: random.below(WITHIN_MS) })
  return { faults: [first, ...(isDouble ? [second] : [])].map(fault), orders }
}
