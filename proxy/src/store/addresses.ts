import { sql } from 'kysely'
import { AT_REST } from '../model/start-queue.ts'
import { freeAddress, type Subnet } from '../model/address.ts'
import type { Db } from './open.ts'

/** The addresses that desktops get. */
export interface AddressPool {
  /** The lowest of them. */
  readonly start: string
  readonly subnet: Subnet
}

/**
 * The highest free address. Nobody else gets one, nor adds a desktop, until the transaction ends.
 * @returns `undefined` when all are taken.
 */
export async function takeAddress(
  transaction: Db,
  { start, subnet }: AddressPool,
): Promise<string | undefined> {
  await sql`SELECT pg_advisory_xact_lock(hashtext('ostler.address'))`.execute(transaction)
  const rows = await transaction.selectFrom('vm').select('address').execute()
  return freeAddress(start, subnet, new Set(rows.map((row) => row.address)))
}

/** Which desktops run on a node, or are on their way there, and their addresses. */
export async function addressesInUse(db: Db, hostId: number): Promise<{ id: number; address: string }[]> {
  return await db
    .selectFrom('vm')
    .select(['id', 'address'])
    .where('host_id', '=', hostId)
    .where('state', 'not in', AT_REST)
    .execute()
}
