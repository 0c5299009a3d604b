import {
  type PoolClaim,
  type PooledDesktop,
  poolSteps,
  type PoolRules,
  resetDuty,
} from '@ostler/proxy/model/pool.ts'

/**
 * A pool with its rows, and beside them what really lies on the disks: whose data each desktop has on each node. The rows are moved
 * by the same functions as in hkd; everything else happens whenever it likes.
 */
export interface PoolWorld {
  readonly rules: PoolRules
  readonly desktops: readonly WorldDesktop[]
  readonly claims: readonly PoolClaim[]
}

export interface WorldDesktop {
  readonly row: PooledDesktop
  /** The node where it runs; null: at rest. */
  readonly node: number | null
  /** Of each node whose data is there. */
  readonly disks: readonly (readonly number[])[]
  /** How far a reset is that a node has begun: forgotten when hkd dies. */
  readonly resets: readonly ('none' | 'removed')[]
}

export const OPERATIONS = [
  'claim',
  'leave',
  'tend',
  'start',
  'connect',
  'stop',
  'fail',
  'remove',
  'crash half-way',
  'confirm',
  'restart',
] as const
export type OperationName = (typeof OPERATIONS)[number]

export interface Operation {
  readonly name: OperationName
  readonly desktop: number
  readonly node: number
  readonly user: number
}

/** Mistakes that the check must find. */
export type Flaw =
  'none' | 'confirms without a look' | 'gives what is dirty' | 'forgets a node' | 'seats anybody'

export const NODES = 2

export function newWorld(rules: PoolRules, desktops: number): PoolWorld {
  return {
    rules,
    claims: [],
    desktops: Array.from({ length: desktops }, (_, id) => ({
      row: {
        id,
        state: 'stopped' as const,
        assignedTo: null,
        dirtyOf: null,
        remains: [],
        usable: true,
        isOver: false,
        wishedUp: false,
        ageMs: 0,
      },
      node: null,
      disks: Array.from({ length: NODES }, () => []),
      resets: Array.from({ length: NODES }, () => 'none' as const),
    })),
  }
}

/** Somebody was let in to data of somebody else. */
export class Leak extends Error {}

/** What becomes of a world by one operation; the same world where it is not possible. @throws Leak. */
export function operate(world: PoolWorld, operation: Operation, flaw: Flaw): PoolWorld {
  const { name, node, user } = operation
  const desktop = world.desktops[operation.desktop]
  if (desktop === undefined) return world
  const { row } = desktop
  const rests = row.state === 'stopped' || row.state === 'failed'
  const duty = resetDuty(row, node, desktop.node === null)
  const changed = (what: Partial<WorldDesktop>): PoolWorld => withDesktop(world, { ...desktop, ...what })
  switch (name) {
    case 'claim': {
      if (world.claims.some(({ userId }) => userId === user)) return world
      const number = Math.max(0, ...world.claims.map((claim) => claim.number)) + 1
      return { ...world, claims: [...world.claims, { number, userId: user }] }
    }
    case 'leave':
      return { ...world, claims: world.claims.filter(({ userId }) => userId !== user) }
    case 'tend':
      return tend(world, flaw)
    case 'start':
      // Whoever wishes, and wherever it is placed: by the table's trigger nothing starts that is dirty and nobody's.
      if (!rests || (row.dirtyOf !== null && row.assignedTo === null)) return world
      return changed({
        node,
        row: {
          ...row,
          state: 'running',
          wishedUp: false,
          remains:
            flaw === 'forgets a node' && node > 0 ? row.remains : [...new Set([...row.remains, node])].sort(),
        },
        resets: desktop.resets.map(() => 'none'),
      })
    case 'connect': {
      // A door may have looked long ago: the seat's trigger looks again.
      if (desktop.node === null || (row.assignedTo !== user && flaw !== 'seats anybody')) return world
      const here = desktop.disks[desktop.node] ?? []
      if (here.some((owner) => owner !== user))
        throw new Leak(`user ${user} finds data of ${here.join()} on desktop ${row.id}`)
      return changed({ disks: desktop.disks.map((disk, at) => (at === desktop.node ? [user] : disk)) })
    }
    case 'stop':
    case 'fail':
      if (rests) return world
      return changed({
        node: null,
        row: { ...row, state: name === 'stop' ? 'stopped' : 'failed', isOver: row.assignedTo !== null },
      })
    case 'remove':
      if (duty !== 'remove') return world
      return changed({ disks: put(desktop.disks, node, []), resets: put(desktop.resets, node, 'removed') })
    case 'crash half-way':
      // Something was removed and something was not: as far as it matters, everything is still there.
      if (duty !== 'remove') return world
      return changed({ resets: put(desktop.resets, node, 'none') })
    case 'confirm': {
      const looked = desktop.resets[node] === 'removed' && (desktop.disks[node] ?? []).length === 0
      if (duty === 'remove' && !looked && flaw !== 'confirms without a look') return world
      if (duty !== 'remove' && duty !== 'confirm') return world
      const remains = row.remains.filter((other) => other !== node)
      return changed({
        row: { ...row, remains, dirtyOf: remains.length === 0 ? null : row.dirtyOf },
        resets: put(desktop.resets, node, 'none'),
      })
    }
    case 'restart':
      return {
        ...world,
        desktops: world.desktops.map((each) => ({ ...each, resets: put(each.resets, node, 'none') })),
      }
  }
}

/** One transaction over the pool's rows, with the tables' own checks. */
function tend(world: PoolWorld, flaw: Flaw): PoolWorld {
  const rows = world.desktops.map(({ row }) =>
    flaw === 'gives what is dirty' ? { ...row, dirtyOf: null } : row,
  )
  let next = world
  for (const step of poolSteps(world.rules, rows, world.claims)) {
    const desktop = next.desktops[step.vmId]
    if (desktop === undefined) throw new Error('a step for a desktop that is not there')
    const { row } = desktop
    if (step.kind === 'take')
      next = withDesktop(next, { ...desktop, row: { ...row, assignedTo: null, isOver: false } })
    else if (step.kind === 'spare') next = withDesktop(next, { ...desktop, row: { ...row, wishedUp: true } })
    else
      next = {
        ...withDesktop(next, {
          ...desktop,
          row: { ...row, assignedTo: step.userId, dirtyOf: step.userId, isOver: false },
        }),
        claims: next.claims.filter(({ number }) => number !== step.claim),
      }
  }
  return next
}

/** What must hold at every moment, whoever looks. @throws Leak. */
export function requireNoLeak(world: PoolWorld): void {
  const users = new Set<number>()
  for (const { row, disks } of world.desktops) {
    const { assignedTo, dirtyOf, remains } = row
    disks.forEach((owners, node) => {
      const strange = owners.filter((owner) => owner !== dirtyOf)
      if (strange.length > 0)
        throw new Leak(`desktop ${row.id} has data of ${strange.join()} and its row says ${dirtyOf}`)
      if (owners.length > 0 && !remains.includes(node))
        throw new Leak(`desktop ${row.id} has data on node ${node}, unknown to its row`)
    })
    if (assignedTo !== null && dirtyOf !== assignedTo)
      throw new Leak(`desktop ${row.id} is of ${assignedTo}, dirty of ${dirtyOf}`)
    if (assignedTo !== null && users.has(assignedTo)) throw new Leak(`user ${assignedTo} has two desktops`)
    if (assignedTo !== null) users.add(assignedTo)
  }
}

function withDesktop(world: PoolWorld, desktop: WorldDesktop): PoolWorld {
  return {
    ...world,
    desktops: world.desktops.map((each) => (each.row.id === desktop.row.id ? desktop : each)),
  }
}

function put<T>(list: readonly T[], at: number, value: T): T[] {
  return list.map((each, index) => (index === at ? value : each))
}
