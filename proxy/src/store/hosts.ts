import { Fault } from '@ostler/contract/fault.ts'
import { sql } from 'kysely'
import { HOST_SILENT_SECONDS, type HostCounter, type HostPlaces, type HostState } from '../model/host.ts'
import { STARTING } from '../model/start-queue.ts'
import { addNamed } from './added.ts'
import { userOfDesktop } from './desktop-user.ts'
import type { Db } from './open.ts'
import { transact } from './transact.ts'

/** Makes a node known; how much memory it has it says itself when it starts. @throws Fault `object.exists`. */
export async function addHost(db: Db, name: string, address?: string): Promise<number> {
  const row = { name, memory_mb: 0, ...(address === undefined ? {} : { door_address: address }) }
  return await addNamed('host', name, () =>
    db.insertInto('host').values(row).returning('id').executeTakeFirstOrThrow(),
  )
}

/** What stands against the removal of a node: first of all what would be lost by it. */
const HOLDS_HOST = [
  ['SELECT name FROM ostler.vm WHERE host_id = host.id ORDER BY id LIMIT 1', 'the desktop % is on it'],
  [
    'SELECT path FROM ostler.home WHERE host_id = host.id OR writer_host = host.id ORDER BY id LIMIT 1',
    'the home % lies on it',
  ],
  [
    'SELECT vm.name FROM ostler.vm_remains JOIN ostler.vm ON vm.id = vm_id WHERE vm_remains.host_id = host.id LIMIT 1',
    'the desktop % of a pool may have left something on it',
  ],
  [
    `SELECT state FROM ostler.host AS it WHERE it.id = host.id AND state <> 'stopped'
      AND seen_at > now() - make_interval(secs => ${HOST_SILENT_SECONDS})`,
    'it is %: end ostler-hkd there first',
  ],
  [
    'SELECT id FROM ostler.capture WHERE host_id = host.id AND ended_at IS NULL LIMIT 1',
    'it makes the image of capture %',
  ],
] as const

/**
 * Removes a node that is at rest and has nothing of anybody.
 * @throws Fault `object.unknown`, `object.inUse`.
 */
export async function deleteHost(db: Db, name: string): Promise<void> {
  await transact(db, async (tx) => {
    const { rows } = await sql<{ id: number; reason: string | null }>`
      SELECT id, coalesce(${sql.join(
        HOLDS_HOST.map(
          ([query, reason]) => sql`(SELECT replace(${reason}::text, '%', found::text) FROM (${sql.raw(query)})
            AS held (found))`,
        ),
      )}) AS reason FROM ostler.host WHERE name = ${name} FOR UPDATE`.execute(tx)
    const [host] = rows
    if (host === undefined) throw new Fault('object.unknown', { kind: 'host', name })
    if (host.reason !== null) throw new Fault('object.inUse', { kind: 'host', name, reason: host.reason })
    await sql`DELETE FROM ostler.host WHERE id = ${host.id}`.execute(tx)
    await sql`SELECT pg_notify('ostler_host', ${String(host.id)})`.execute(tx)
  })
}

/**
 * Only the first node of a database makes itself known: a mistyped `nodename` must not become another node, which leaves the
 * desktops of the right one alone.
 * @throws Fault `node.unknown` when the database knows nodes and none of this name.
 */
export async function requireKnownHost(db: Db, name: string): Promise<void> {
  const rows = await db.selectFrom('host').select('name').orderBy('name').execute()
  const known = rows.map((row) => row.name)
  if (known.length > 0 && !known.includes(name))
    throw new Fault('node.unknown', { name, known: known.slice(0, 10).join(', ') })
}

/**
 * Registers this node, or finds its row, and says that it lives.
 * @param startingMax desktops that may be on their way up at once.
 * @param cpu 0.8 of its bogomips.
 */
export async function registerHost(
  db: Db,
  name: string,
  memoryMb: number,
  startingMax: number,
  cpu = 0,
): Promise<number> {
  const { rows } = await sql<{ id: number }>`
    INSERT INTO ostler.host (name, memory_mb, starting_max, cpu) VALUES (${name}, ${memoryMb}, ${startingMax}, ${cpu})
    ON CONFLICT (name) DO UPDATE
      SET memory_mb = excluded.memory_mb, starting_max = excluded.starting_max, cpu = excluded.cpu, seen_at = now()
    RETURNING id`.execute(db)
  return rows[0]?.id ?? 0
}

/** Says how many desktops may be on their way up at once on a node. */
export async function setStartingMax(db: Db, id: number, startingMax: number): Promise<void> {
  await sql`UPDATE ostler.host SET starting_max = ${startingMax} WHERE id = ${id}`.execute(db)
}

/** Says that the node lives. */
export async function tickHost(db: Db, id: number): Promise<void> {
  await sql`UPDATE ostler.host SET seen_at = now() WHERE id = ${id}`.execute(db)
}

/**
 * The nodes that take desktops and were heard of lately, with what theirs were promised.
 * @param asking a node that lives, since it asks: when the database was away, its next tick is still to come.
 */
export async function hostLoads(db: Db, asking?: number): Promise<HostPlaces[]> {
  const { rows } = await sql<HostPlaces>`
    SELECT host.id, host.memory_mb AS "totalMb", host.starting_max AS "startingMax", host.cpu::float8 AS cpu,
      count(vm.id)::int AS desktops,
      (count(vm.id) FILTER (WHERE vm.state = ANY (${[...STARTING]})))::int AS starting,
      coalesce(sum(flavour.memory_mb) FILTER (WHERE vm.state <> 'stopped' AND vm.state <> 'failed'), 0)::int AS "usedMb"
    FROM ostler.host LEFT JOIN ostler.vm ON vm.host_id = host.id LEFT JOIN ostler.flavour ON flavour.id = flavour_id
    WHERE host.state = 'running' AND NOT host.blocked AND host.maintenance IS NULL
      AND (seen_at > now() - make_interval(secs => ${HOST_SILENT_SECONDS}) OR host.id = ${asking ?? null}::int)
    GROUP BY host.id`.execute(db)
  return rows
}

/** How many desktops that are not at rest each of some users has on each node, by user and node. */
export async function ofUsers(db: Db, userIds: readonly number[]): Promise<Map<number, Map<number, number>>> {
  const { rows } = await sql<{ userId: number; hostId: number; count: number }>`
    SELECT ${userOfDesktop} AS "userId", host_id AS "hostId", count(*)::int AS count
    FROM ostler.vm WHERE host_id IS NOT NULL AND ${userOfDesktop} = ANY (${[...userIds]}) GROUP BY 1, 2`.execute(
    db,
  )
  const found = new Map<number, Map<number, number>>()
  for (const { userId, hostId, count } of rows)
    found.set(userId, (found.get(userId) ?? new Map<number, number>()).set(hostId, count))
  return found
}

/** A node's row as its door sees it. */
export interface HostRow {
  readonly id: number
  readonly state: HostState
  readonly blocked: boolean
}

export async function findHost(db: Db, name: string): Promise<HostRow | undefined> {
  return await db
    .selectFrom('host')
    .select(['id', 'state', 'blocked'])
    .where('name', '=', name)
    .executeTakeFirst()
}

/** Where a node's door is reached by the doors of others. */
export interface DoorPlace {
  /** `nodename` of the node. */
  readonly node: string
  /** A name or an address; null before the door has been open. */
  readonly address: string | null
  readonly port: number | null
}

export async function findDoor(db: Db, hostId: number): Promise<DoorPlace | undefined> {
  return await db
    .selectFrom('host')
    .select(['name as node', 'door_address as address', 'door_port as port'])
    .where('id', '=', hostId)
    .executeTakeFirst()
}

/** Writes down where the door of a node is reached; a node without a row stays without one. */
export async function announceDoor(db: Db, node: string, address: string, port: number): Promise<void> {
  await sql`
    UPDATE ostler.host SET door_address = ${address}, door_port = ${port}
    WHERE name = ${node} AND (door_address, door_port) IS DISTINCT FROM (${address}, ${port}::int)`.execute(
    db,
  )
}

/**
 * Says in which state a node is, unless others have declared it lost.
 * @returns whether it says so now.
 */
export async function setHostState(db: Db, id: number, state: HostState): Promise<boolean> {
  const { rows } = await sql`
    WITH changed AS (
      UPDATE ostler.host SET state = ${state}, seen_at = now() WHERE id = ${id} AND state <> 'lost' RETURNING id)
    SELECT pg_notify('ostler_host', id::text) FROM changed`.execute(db)
  return rows.length > 0
}

/** Adds to the counters of a node. */
export async function countOnHost(
  db: Db,
  hostId: number,
  counts: Readonly<Partial<Record<HostCounter, number>>>,
): Promise<void> {
  const names = Object.keys(counts) as HostCounter[]
  await db
    .insertInto('host_counters')
    .values({ host_id: hostId, ...counts })
    .onConflict((conflict) =>
      conflict
        .column('host_id')
        .doUpdateSet((eb) =>
          Object.fromEntries(
            names.map((name) => [name, eb(`host_counters.${name}`, '+', counts[name] ?? 0)] as const),
          ),
        ),
    )
    .execute()
}
