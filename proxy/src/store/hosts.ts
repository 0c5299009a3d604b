import { Fault } from '@ostler/contract/fault.ts'
import { sql } from 'kysely'
import type { HostCounter, HostPlaces, HostState } from '../model/host.ts'
import { STARTING } from '../model/start-queue.ts'
import { addNamed } from './added.ts'
import type { Db } from './open.ts'
import { HOST_SILENT_SECONDS } from './start-queue.ts'

/** Makes a node known; how much memory it has it says itself when it starts. @throws Fault `object.exists`. */
export async function addHost(db: Db, name: string): Promise<number> {
  return await addNamed('host', name, () =>
    db.insertInto('host').values({ name, memory_mb: 0 }).returning('id').executeTakeFirstOrThrow(),
  )
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
 */
export async function registerHost(
  db: Db,
  name: string,
  memoryMb: number,
  startingMax: number,
): Promise<number> {
  const { rows } = await sql<{ id: number }>`
    INSERT INTO ostler.host (name, memory_mb, starting_max) VALUES (${name}, ${memoryMb}, ${startingMax})
    ON CONFLICT (name) DO UPDATE
      SET memory_mb = excluded.memory_mb, starting_max = excluded.starting_max, seen_at = now()
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
    SELECT host.id, host.memory_mb AS "totalMb", host.starting_max AS "startingMax",
      (count(vm.id) FILTER (WHERE vm.state = ANY (${[...STARTING]})))::int AS starting,
      coalesce(sum(flavour.memory_mb) FILTER (WHERE vm.state <> 'stopped' AND vm.state <> 'failed'), 0)::int AS "usedMb"
    FROM ostler.host LEFT JOIN ostler.vm ON vm.host_id = host.id LEFT JOIN ostler.flavour ON flavour.id = flavour_id
    WHERE host.state = 'running' AND NOT host.blocked
      AND (seen_at > now() - make_interval(secs => ${HOST_SILENT_SECONDS}) OR host.id = ${asking ?? null}::int)
    GROUP BY host.id`.execute(db)
  return rows
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

/** Says in which state a node is. */
export async function setHostState(db: Db, id: number, state: HostState): Promise<void> {
  await sql`
    WITH changed AS (UPDATE ostler.host SET state = ${state}, seen_at = now() WHERE id = ${id} RETURNING id)
    SELECT pg_notify('ostler_host', id::text) FROM changed`.execute(db)
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
