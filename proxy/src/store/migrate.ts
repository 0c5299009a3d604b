import { Fault } from '@ostler/contract/fault.ts'
import { type Kysely, sql } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import type { Database } from './schema.ts'
import * as skeleton from './migrations/0001-skeleton.ts'
import * as signIn from './migrations/0002-sign-in.ts'
import * as tickets from './migrations/0003-tickets.ts'
import * as starts from './migrations/0004-starts.ts'
import * as agentAt from './migrations/0005-agent-at.ts'
import * as tunnels from './migrations/0006-tunnels.ts'
import * as displays from './migrations/0007-displays.ts'
import * as doors from './migrations/0008-doors.ts'
import * as wishConnection from './migrations/0009-wish-connection.ts'
import * as hypervisors from './migrations/0010-hypervisors.ts'
import * as images from './migrations/0011-images.ts'
import * as sslFiles from './migrations/0016-ssl-files.ts'
import * as backups from './migrations/0017-backups.ts'
import * as homes from './migrations/0018-homes.ts'
import * as storage from './migrations/0019-storage.ts'
import * as knownNodes from './migrations/0020-known-nodes.ts'
import * as health from './migrations/0021-health.ts'
import * as pools from './migrations/0022-pools.ts'
import * as jobs from './migrations/0023-jobs.ts'
import * as squashfs from './migrations/0024-squashfs.ts'
import * as startCount from './migrations/0025-start-count.ts'
import * as oneNode from './migrations/0026-one-node.ts'
import * as administrators from './migrations/0027-administrators.ts'
import * as portRules from './migrations/0028-port-rules.ts'
import * as administration from './migrations/0029-administration.ts'
import * as nodes from './migrations/0030-nodes.ts'
import * as placement from './migrations/0031-placement.ts'
import * as slo from './migrations/0032-slo.ts'
import * as usbTickets from './migrations/0033-usb-tickets.ts'

/** Forward only: a released migration never changes, a mistake is mended by the next one. */
const MIGRATIONS: Record<string, Migration> = {
  '0001-skeleton': skeleton,
  '0002-sign-in': signIn,
  '0003-tickets': tickets,
  '0004-starts': starts,
  '0005-agent-at': agentAt,
  '0006-tunnels': tunnels,
  '0007-displays': displays,
  '0008-doors': doors,
  '0009-wish-connection': wishConnection,
  '0010-hypervisors': hypervisors,
  '0011-images': images,
  '0016-ssl-files': sslFiles,
  '0017-backups': backups,
  '0018-homes': homes,
  '0019-storage': storage,
  '0020-known-nodes': knownNodes,
  '0021-health': health,
  '0022-pools': pools,
  '0023-jobs': jobs,
  '0024-squashfs': squashfs,
  '0025-start-count': startCount,
  '0026-one-node': oneNode,
  '0027-administrators': administrators,
  '0028-port-rules': portRules,
  '0029-administration': administration,
  '0030-nodes': nodes,
  '0031-placement': placement,
  '0032-slo': slo,
  '0033-usb-tickets': usbTickets,
}

/**
 * Brings the schema `ostler` up to this version. Several processes may try at once: one does it.
 *
 * @throws Fault `database.foreign` when the database is QVD's, `database.newer` when a newer Ostler wrote it.
 */
export async function migrate(db: Kysely<Database>): Promise<readonly string[]> {
  await refuseForeign(db)
  await sql`CREATE SCHEMA IF NOT EXISTS ostler`.execute(db)
  const migrator = new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve(MIGRATIONS) },
    migrationTableSchema: 'ostler',
  })
  await refuseNewer(db)
  const { error, results } = await migrator.migrateToLatest()
  if (error !== undefined)
    throw new Fault('database.unavailable', { reason: (error as Error).message }, { cause: error })
  return (results ?? []).map((result) => result.migrationName)
}

/** QVD keeps its tables in `public`: a node that was pointed at them must touch nothing. */
async function refuseForeign(db: Kysely<Database>): Promise<void> {
  const { rows } = await sql<{ database: string }>`
    SELECT current_database() AS database FROM pg_tables
    WHERE schemaname = 'public' AND tablename IN ('vm_runtimes', 'host_runtimes', 'vms') LIMIT 1`.execute(db)
  if (rows[0] !== undefined) throw new Fault('database.foreign', { database: rows[0].database })
}

async function refuseNewer(db: Kysely<Database>): Promise<void> {
  const { rows } = await sql<{ exists: boolean }>`
    SELECT to_regclass('ostler.kysely_migration') IS NOT NULL AS exists`.execute(db)
  if (rows[0]?.exists !== true) return
  const applied = await sql<{ name: string }>`SELECT name FROM ostler.kysely_migration ORDER BY name`.execute(
    db,
  )
  const unknown = applied.rows.find((row) => !(row.name in MIGRATIONS))
  if (unknown !== undefined) throw new Fault('database.newer', { migration: unknown.name })
}
