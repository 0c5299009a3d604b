import { sql } from 'kysely'
import { freeAddress, type Subnet } from '../model/address.ts'
import type { Db } from './open.ts'

/** The addresses that desktops get. */
export interface AddressPool {
  /** The first of them. */
  readonly start: string
  readonly subnet: Subnet
}

/**
 * The first free address. Nobody else gets one, nor adds a desktop, until the transaction ends.
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
