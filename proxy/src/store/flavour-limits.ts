import { Fault } from '@ostler/contract/fault.ts'
import { sql } from 'kysely'
import type { Db } from './open.ts'

/** Why a user gets no more desktop of a flavour. */
export interface FlavourRefusal {
  /** `foreign`: it is another tenant's, of which nobody is told. */
  readonly why: 'foreign' | 'full' | 'hers'
  readonly flavour: string
  readonly most: number
}

/**
 * Says whether a flavour takes one more desktop of a user. Whoever asks holds the lock of `takeAddress`: nobody else adds one
 * meanwhile.
 *
 * @param owner her number and her tenant's; without a number she has no row yet.
 * @returns `undefined` when it does.
 */
export async function refusalOfFlavour(
  tx: Db,
  flavourId: number,
  owner: { readonly userId: number | undefined; readonly tenantId: number },
): Promise<FlavourRefusal | undefined> {
  const { rows } = await sql<{
    name: string
    foreign: boolean
    most: number | null
    mostEach: number | null
    all: number
    hers: number
  }>`
    SELECT name, coalesce(tenant_id <> ${owner.tenantId}, false) AS foreign, max_desktops AS most,
      max_per_user AS "mostEach", (SELECT count(*)::int FROM ostler.vm WHERE flavour_id = flavour.id) AS all,
      (SELECT count(*)::int FROM ostler.vm
        WHERE flavour_id = flavour.id AND user_id = ${owner.userId ?? null}::int) AS hers
    FROM ostler.flavour WHERE id = ${flavourId}`.execute(tx)
  const [found] = rows
  if (found === undefined) return undefined
  const { name: flavour, foreign, most, mostEach, all, hers } = found
  if (foreign) return { why: 'foreign', flavour, most: 0 }
  if (most !== null && all >= most) return { why: 'full', flavour, most }
  if (mostEach !== null && hers >= mostEach) return { why: 'hers', flavour, most: mostEach }
  return undefined
}

/** The same as a failure: `object.unknown` for a flavour of another tenant, else `quota.reached`. */
export function faultOfFlavour({ why, flavour, most }: FlavourRefusal): Fault {
  if (why === 'foreign') return new Fault('object.unknown', { kind: 'osf', name: flavour })
  const what = why === 'full' ? 'all users together' : 'each user'
  return new Fault('quota.reached', { what, most, osf: flavour })
}

/** Limits of a flavour, and what it promises, as they are in its row; null: none. */
type FlavourLimits = {
  readonly [K in LimitColumn]?: number | null | undefined
}
type LimitColumn =
  | 'max_desktops'
  | 'max_per_user'
  | 'net_in_kbit'
  | 'net_out_kbit'
  | 'disk_iops'
  | 'disk_kbytes'
  | 'slo_seconds'
  | 'slo_percent'

/**
 * Sets or clears limits of a flavour, or its promise. Desktops that there are stay; what they may receive, send, read and write counts from their next start on.
 * @throws Fault `object.unknown`.
 */
export async function setFlavourLimits(db: Db, name: string, limits: FlavourLimits): Promise<void> {
  const set = Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined))
  if (Object.keys(set).length === 0) return
  const { numUpdatedRows } = await db
    .updateTable('flavour')
    .set(set)
    .where('name', '=', name)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) throw new Fault('object.unknown', { kind: 'osf', name })
}
