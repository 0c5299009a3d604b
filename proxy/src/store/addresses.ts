import { Fault } from '@ostler/contract/fault.ts'
import { sql } from 'kysely'
import { AT_REST } from '../model/start-queue.ts'
import { formatAddress, freeAddress, networkOf, parseAddress, type Subnet } from '../model/address.ts'
import type { NetworkRates } from '../model/network-rates.ts'
import type { Db } from './open.ts'

/** The addresses that desktops get. */
export interface AddressPool {
  /** The lowest of them. */
  readonly start: string
  readonly subnet: Subnet
}

/**
 * The address that is wanted, else the highest free one. Nobody else gets one, nor adds a desktop, until the
 * transaction ends.
 * @returns `undefined` when all are taken.
 * @throws Fault `address.taken` or `address.outside` for one that is wanted.
 */
export async function takeAddress(
  transaction: Db,
  { start, subnet }: AddressPool,
  wanted?: string,
): Promise<string | undefined> {
  await sql`SELECT pg_advisory_xact_lock(hashtext('ostler.address'))`.execute(transaction)
  const rows = await transaction.selectFrom('vm').select('address').execute()
  const taken = new Set(rows.map((row) => row.address))
  if (wanted === undefined) return freeAddress(start, subnet, taken)
  const address = formatAddress(parseAddress(wanted))
  if (taken.has(address)) throw new Fault('address.taken', { address })
  const last = networkOf(subnet).last - 1
  const number = parseAddress(address)
  if (number < parseAddress(start) || number > last || address === subnet.gateway)
    throw new Fault('address.outside', { address, first: start, last: formatAddress(last) })
  return address
}

/** Which desktops run on a node, or are on their way there, their addresses, and how much they may receive and send. */
export async function addressesInUse(
  db: Db,
  hostId: number,
): Promise<{ id: number; address: string; rates: NetworkRates }[]> {
  return await db
    .selectFrom('vm')
    .innerJoin('flavour', 'flavour.id', 'flavour_id')
    .select(['vm.id', 'address'])
    .select(sql<NetworkRates>`json_build_object('inKbit', net_in_kbit, 'outKbit', net_out_kbit)`.as('rates'))
    .where('host_id', '=', hostId)
    .where('state', 'not in', AT_REST)
    .execute()
}
