import { sql } from 'kysely'
import type { HostLoad } from '../model/host.ts'
import type { Db } from './open.ts'

/** Registers this node, or finds its row, and says that it lives. */
export async function registerHost(db: Db, name: string, memoryMb: number): Promise<number> {
  const { rows } = await sql<{ id: number }>`
    INSERT INTO ostler.host (name, memory_mb) VALUES (${name}, ${memoryMb})
    ON CONFLICT (name) DO UPDATE SET memory_mb = excluded.memory_mb, seen_at = now() RETURNING id`.execute(db)
  return rows[0]?.id ?? 0
}

/** Says that the node lives. */
export async function tickHost(db: Db, id: number): Promise<void> {
  await sql`UPDATE ostler.host SET seen_at = now() WHERE id = ${id}`.execute(db)
}

/** The nodes that were heard of lately, with the memory that their desktops were promised. */
export async function hostLoads(db: Db): Promise<HostLoad[]> {
  const { rows } = await sql<HostLoad>`
    SELECT host.id, host.memory_mb AS "totalMb",
      coalesce(sum(flavour.memory_mb) FILTER (WHERE vm.state <> 'stopped' AND vm.state <> 'failed'), 0)::int AS "usedMb"
    FROM ostler.host LEFT JOIN ostler.vm ON vm.host_id = host.id LEFT JOIN ostler.flavour ON flavour.id = flavour_id
    WHERE seen_at > now() - interval '20 seconds' GROUP BY host.id`.execute(db)
  return rows
}
