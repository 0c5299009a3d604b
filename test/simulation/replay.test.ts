import { affinity } from '@ostler/proxy/balance/affinity.ts'
import { leastLoaded, type LoadBalancer } from '@ostler/proxy/balance/balancer.ts'
import { weighted } from '@ostler/proxy/balance/weighted.ts'
import { drawOf, type HostLoad } from '@ostler/proxy/model/host.ts'
import { edges, type VmState } from '@ostler/proxy/model/vm-machine.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { placeVm } from '@ostler/proxy/store/placing.ts'
import { addWish, moveVm } from '@ostler/proxy/store/vms.ts'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { Seeded } from '../door/gate/seeded.ts'
import { addTestFlavour, addTestUser } from '../fixtures/database-rows.ts'
import { openTestDatabase } from '../fixtures/database.ts'

/** What was placed by the live code and stands in the log is placed again, by the balancer alone. */
const [NODES, USERS, DESKTOPS, STEPS] = [6, 8, 60, 250]
const MEMORY_MB = 256

interface Node {
  readonly id: number
  readonly totalMb: number
  readonly cpu: number
}

/** A line of the log, with the node of a boot as the row of its desktop said it. */
interface Line {
  readonly vmId: number
  readonly epoch: number
  readonly state: VmState
  readonly userId: number
  readonly hostId: number | null
}

test.each<LoadBalancer>([leastLoaded, weighted({ ram: 1, cpu: 1, random: 40_000 }), affinity(leastLoaded)])(
  'a log of placements is the same when it is played again: $name',
  async (balancer) => {
    await using database = await openTestDatabase()
    const db = database.as('hkd')
    const nodes = await addNodes(db)
    const log = await liveLog(db, balancer)
    const placed = log.filter(({ state }) => state === 'preparing')
    expect(placed.length).toBeGreaterThan(80)
    expect(new Set(placed.map(({ hostId }) => hostId)).size).toBeGreaterThan(3)
    expect(replay(nodes, log, balancer)).toEqual(placed.map(({ hostId }) => hostId))
  },
)

async function addNodes(db: Db): Promise<readonly Node[]> {
  const { rows } = await sql<Node>`
    INSERT INTO ostler.host (name, memory_mb, cpu, starting_max, state, seen_at)
    SELECT 'node' || n, 5000 + n * 700, 1000 * n, 1000, 'running', now() + interval '1 hour' FROM generate_series(1, ${NODES}) n
    RETURNING id, memory_mb AS "totalMb", cpu::float8 AS cpu`.execute(db)
  return rows
}

/** Starts and stops desktops at random with the live code, and reads what it has logged. */
async function liveLog(db: Db, balancer: LoadBalancer): Promise<readonly Line[]> {
  // A user has one desktop of each flavour, and a home for each.
  const flavours: number[] = []
  while (flavours.length * USERS < DESKTOPS) flavours.push(await addTestFlavour(db))
  const users = await Promise.all(Array.from({ length: USERS }, () => addTestUser(db)))
  for (let index = 0; index < DESKTOPS; index++)
    await sql`
      INSERT INTO ostler.vm (name, user_id, flavour_id, address)
      VALUES (${`desk${index}`}, ${users[index % USERS] ?? 0}, ${flavours[Math.floor(index / USERS)] ?? 0}, ${`10.9.0.${index}`})`.execute(
      db,
    )
  const random = new Seeded(1)
  const on = new Map<string, number | null>()
  const { rows: all } = await sql<{ id: number }>`SELECT id FROM ostler.vm ORDER BY id`.execute(db)
  for (let step = 0; step < STEPS; step++) {
    const id = all[random.below(DESKTOPS)]?.id ?? 0
    const { rows } = await sql<{ state: VmState; epoch: number; userId: number }>`
      SELECT state, epoch, user_id AS "userId" FROM ostler.vm WHERE id = ${id}`.execute(db)
    const [vm] = rows
    if (vm?.state === 'running')
      for (const [from, to] of [['running', 'stopping'] as const, ['stopping', 'stopped'] as const])
        await move(db, { id, epoch: vm.epoch }, from, to)
    if (vm?.state !== 'stopped') continue
    await addWish(db, { vmId: id, kind: 'run', by: 'administrator', reason: 'test' })
    const plan = { id, epoch: vm.epoch }
    const epoch = await placeVm(db, {
      move: { vm: { ...plan, state: 'stopped' }, event: eventOf('stopped', 'preparing'), to: 'preparing' },
      ...{ memoryMb: MEMORY_MB, userId: vm.userId },
      choose: (hosts) => balancer.choose(hosts, { memoryMb: MEMORY_MB, draw: drawOf(plan) }),
    })
    if (typeof epoch !== 'number') throw new Error(`desktop ${id} was not placed: ${JSON.stringify(epoch)}`)
    const { rows: now } = await sql<{ hostId: number }>`
      SELECT host_id AS "hostId" FROM ostler.vm WHERE id = ${id}`.execute(db)
    on.set(`${id}/${epoch}`, now[0]?.hostId ?? null)
    await move(db, { id, epoch }, 'preparing', 'booting')
    await move(db, { id, epoch }, 'booting', 'running')
  }
  const { rows } = await sql<Omit<Line, 'hostId'>>`
    SELECT vm_id AS "vmId", vm_log.epoch, vm_log.state, user_id AS "userId" FROM ostler.vm_log JOIN ostler.vm ON vm.id = vm_id
    ORDER BY vm_log.id`.execute(db)
  return rows.map((row) => ({ ...row, hostId: on.get(`${row.vmId}/${row.epoch}`) ?? null }))
}

async function move(db: Db, vm: { id: number; epoch: number }, from: VmState, to: VmState): Promise<void> {
  const hostId = to === 'stopped' ? { hostId: null } : {}
  const moved = await moveVm(db, { vm: { ...vm, state: from }, event: eventOf(from, to), to, ...hostId })
  if (moved === undefined) throw new Error(`desktop ${vm.id} did not move from ${from} to ${to}`)
}

function eventOf(from: VmState, to: VmState) {
  const edge = edges().find((each) => each.from === from && each.to === to)
  if (edge === undefined) throw new Error(`nothing leads from ${from} to ${to}`)
  return edge.event
}

/** Where the balancer puts each start of a log, on nodes that are empty at first. */
function replay(
  nodes: readonly Node[],
  log: readonly Line[],
  balancer: LoadBalancer,
): readonly (number | undefined)[] {
  const here = new Map(nodes.map(({ id }) => [id, new Map<number, number>()]))
  const chosen: (number | undefined)[] = []
  for (const { vmId, epoch, state, userId } of log) {
    if (state === 'stopped') for (const desktops of here.values()) desktops.delete(vmId)
    if (state !== 'preparing') continue
    const hosts = nodes.map((node): HostLoad => {
      const users = [...(here.get(node.id)?.values() ?? [])]
      const ofUser = users.filter((each) => each === userId).length
      return { ...node, usedMb: users.length * MEMORY_MB, desktops: users.length, ofUser }
    })
    // A boot is placed while its desktop still counts the one before.
    const host = balancer.choose(hosts, { memoryMb: MEMORY_MB, draw: drawOf({ id: vmId, epoch: epoch - 1 }) })
    chosen.push(host)
    if (host !== undefined) here.get(host)?.set(vmId, userId)
  }
  return chosen
}
