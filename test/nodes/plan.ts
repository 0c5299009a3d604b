import { Seeded } from '../door/gate/seeded.ts'
import type { HostClocks } from '@ostler/proxy/model/host-lease.ts'
import type { Order } from '../chaos/plan.ts'

/** Everything that breaks, by name; `faults.ts` says how. The first six are what several nodes are for. */
export const FAULT_NAMES = [
  'power cut',
  'hkd frozen for long',
  'cut from database',
  'cut from peers',
  'cut from both',
  'database away',
  'hkd killed',
  'hkd killed for long',
  'hkd frozen',
  'fence killed',
  'fence frozen',
  'hkd frozen for long, fence killed',
  'node frozen',
  'power cut, back at once',
  'database away, peers cut',
  'nothing',
] as const
export type FaultName = (typeof FAULT_NAMES)[number]

/** Those that are over before anybody could call a node lost. */
const SHORT: readonly FaultName[] = [
  'nothing',
  'hkd killed',
  'hkd frozen',
  'fence killed',
  'power cut, back at once',
]

/** One thing that breaks in a round, on one node. */
export interface PlannedFault {
  readonly name: FaultName
  readonly node: number
  readonly afterMs: number
  readonly forMs: number
}

export interface Plan {
  readonly faults: readonly PlannedFault[]
  readonly orders: readonly Order[]
}

export interface PlanOptions {
  readonly seed: number
  readonly nodes: number
  readonly desktops: number
  readonly clocks: HostClocks
  readonly only: readonly FaultName[]
}

/** The first desktops are to run all the time: nobody tells them anything. */
export const STEADY = 2
const MOST_ORDERS = 5
/** Of so many rounds one has a fault on another node as well. */
const DOUBLE_EVERY = 4
/** A long fault is three leases long: a minute, with the clocks of service. */
const LONG_LEASES = 3

/** Says what happens in a round: the same for a seed and a number, whatever was played before. Each fault has its turn. */
export function planRound({ seed, nodes, desktops, clocks, only }: PlanOptions, round: number): Plan {
  const random = new Seeded(seed * 1_000_003 + round)
  const fault = (name: FaultName, node: number): PlannedFault => ({
    ...{ name, node, afterMs: random.below(400) },
    forMs: SHORT.includes(name)
      ? 100 + random.below(clocks.leaseMs / 2)
      : LONG_LEASES * clocks.leaseMs + random.below(clocks.leaseMs / 2),
  })
  const first = only[(round - 1) % only.length] ?? 'nothing'
  const node = random.below(nodes)
  const second = only[random.below(only.length)] ?? 'nothing'
  const isDouble = random.below(DOUBLE_EVERY) === 0 && nodes > 1
  const other = (node + 1 + random.below(Math.max(1, nodes - 1))) % nodes
  const faults = [fault(first, node), ...(isDouble ? [fault(second, other)] : [])]
  const within = Math.max(...faults.map(({ forMs }) => forMs))
  const orders = Array.from({ length: random.below(MOST_ORDERS + 1) }, (): Order => ({
    kind: random.below(5) < 3 ? 'start' : 'stop',
    desktop: STEADY + random.below(desktops - STEADY),
    afterMs: random.below(within),
  }))
  return { faults, orders }
}
