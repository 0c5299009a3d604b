import { sql } from 'kysely'
import type { DatabaseFacts, DesktopFacts, NodeFacts } from '../model/doctor.ts'
import { userOfDesktop } from './desktop-user.ts'
import { imageStandings } from './image-copies.ts'
import type { Db } from './open.ts'

/** Asks the database how it is. */
export async function examineDatabase(db: Db): Promise<DatabaseFacts> {
  const began = performance.now()
  await sql`SELECT 1`.execute(db)
  const ms = performance.now() - began
  const { rows } = await sql<Omit<DatabaseFacts, 'ms'>>`
    SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS "isReplica",
      (SELECT coalesce(sum(numbackends), 0)::int FROM pg_stat_database) AS connections,
      current_setting('max_connections')::int AS most`.execute(db)
  return { ms, ...(rows[0] ?? { isReplica: false, connections: 0, most: 1 }) }
}

/** Every node, by name. */
export async function examineNodes(db: Db): Promise<readonly NodeFacts[]> {
  const { rows } = await sql<NodeFacts>`
    SELECT name, state, extract(epoch FROM now() - seen_at)::float8 AS "silentSeconds", blocked, maintenance,
      memory_mb AS memory,
      (SELECT coalesce(sum(flavour.memory_mb), 0)::int FROM ostler.vm JOIN ostler.flavour ON flavour.id = flavour_id
        WHERE host_id = host.id AND vm.state NOT IN ('stopped', 'failed')) AS promised,
      CASE WHEN door_port IS NOT NULL
        THEN json_build_object('address', door_address, 'port', door_port) END AS door
    FROM ostler.host ORDER BY name`.execute(db)
  return rows
}

/** One desktop, of which it is known that there is one. */
export async function examineDesktop(db: Db, id: number): Promise<DesktopFacts> {
  const { rows } = await sql<DesktopFacts>`
    SELECT vm.name, vm.state, host.name AS host, flavour.memory_mb AS memory,
      array_remove(ARRAY[CASE WHEN vm.blocked THEN 'the desktop' END, CASE WHEN users.blocked THEN 'its user' END,
        CASE WHEN tenant.blocked THEN 'the tenant of its user' END], NULL) AS blocked,
      CASE WHEN vm.fault IS NOT NULL THEN json_build_object('text', vm.fault, 'cure', vm.fault_cure) END AS fault,
      json_build_object('tag', vm.di_tag, 'next', disk_image.name, 'blocked', coalesce(disk_image.blocked, false),
        'standing', ${imageStandings}) AS image,
      CASE WHEN vm.agent_verdict IS NOT NULL
        THEN json_build_object('verdict', vm.agent_verdict, 'said', vm.agent_said) END AS agent,
      (SELECT label FROM ostler.seat WHERE vm_id = vm.id AND seat.state <> 'disconnected' AND lease_until > now()) AS seat,
      EXISTS (SELECT FROM ostler.timeline WHERE vm_id = vm.id AND timeline.epoch = vm.epoch
        AND step = 'display ready') AS "wasShown"
    FROM ostler.vm JOIN ostler.users ON users.id = ${userOfDesktop} JOIN ostler.tenant ON tenant.id = users.tenant_id
      JOIN ostler.flavour ON flavour.id = vm.flavour_id LEFT JOIN ostler.host ON host.id = vm.host_id
      LEFT JOIN ostler.image_tag ON image_tag.flavour_id = vm.flavour_id AND image_tag.tag = vm.di_tag
      LEFT JOIN ostler.disk_image ON disk_image.id = coalesce(vm.image_pin, image_tag.disk_image_id)
    WHERE vm.id = ${id}`.execute(db)
  const [found] = rows
  if (found === undefined) throw new Error(`desktop ${id} is gone`)
  return found
}
