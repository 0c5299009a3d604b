import type { Maintained } from '@ostler/contract/pools.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { sql } from 'kysely'
import { AT_REST } from '../model/start-queue.ts'
import { userOfDesktop } from './desktop-user.ts'
import type { Db } from './open.ts'
import { transact } from './transact.ts'

const TABLES: Readonly<Record<Maintained, string>> = {
  vm: 'vm',
  user: 'users',
  osf: 'flavour',
  host: 'host',
  pool: 'pool',
}

/** Which desktops are looked after with it. */
const THEIRS: Readonly<Record<Maintained, ReturnType<typeof sql>>> = {
  vm: sql`vm.id`,
  user: sql`${userOfDesktop}`,
  osf: sql`vm.flavour_id`,
  host: sql`vm.host_id`,
  pool: sql`vm.pool_id`,
}

/**
 * Begins maintenance with the sentence that users read, or ends it (`null`). Nobody new comes in; who is in stays, unless
 * desktops that run are to be stopped. Doors and those who wait hear of it at once.
 * @returns how many desktops are asked to stop.
 */
export async function setMaintenance(
  db: Db,
  kind: Maintained,
  id: number,
  said: string | null,
  stop: boolean,
): Promise<number> {
  return await transact(db, async (tx) => {
    await sql`
      UPDATE ${sql.table(`ostler.${TABLES[kind]}`)} SET maintenance = ${said}::text WHERE id = ${id}`.execute(
      tx,
    )
    let count = 0
    if (said !== null && stop) {
      const { rows } = await sql`
        INSERT INTO ostler.wish (vm_id, kind, by, reason)
        SELECT id, 'maintenance', 'administrator', ${said}::text FROM ostler.vm
        WHERE ${THEIRS[kind]} = ${id} AND vm.state <> ALL (${[...AT_REST]}) RETURNING vm_id`.execute(tx)
      count = rows.length
    }
    // A hint without a number says that any row may have changed.
    await sql`SELECT pg_notify('ostler_vm', 'all'), pg_notify('ostler_host', 'all')`.execute(tx)
    return count
  })
}

/** The number of a node, by name. @throws Fault `object.unknown`. */
export async function hostByName(db: Db, name: string): Promise<number> {
  const row = await db.selectFrom('host').select('id').where('name', '=', name).executeTakeFirst()
  if (row === undefined) throw new Fault('object.unknown', { kind: 'host', name })
  return row.id
}
