import { Fault } from '@ostler/contract/fault.ts'
import { type AddressPool, takeAddress } from './addresses.ts'
import { freeName } from './desktop-names.ts'
import { faultOfFlavour, refusalOfFlavour } from './flavour-limits.ts'
import type { Db } from './open.ts'
import { transact } from './transact.ts'

/** A flavour of which users may have desktops. */
export interface OwnFlavour {
  readonly id: number
  readonly name: string
}

/** A desktop that a user makes for herself. */
export interface OwnDesktop {
  readonly user: { readonly id: number; readonly login: string; readonly tenantId: number }
  readonly flavourId: number
  readonly diTag: string
  /** Throws when she has as many as that already. */
  readonly requireMore: (owned: number) => void
}

/** More names than that are not tried. */
const MOST_NAMES = 200

/** Flavours of desktops, not of applications, that are of a tenant or of all. */
export async function listOwnFlavours(db: Db, tenantId: number): Promise<OwnFlavour[]> {
  return await db
    .selectFrom('flavour')
    .select(['id', 'name'])
    .where('is_application', '=', false)
    .where((is) => is.or([is('tenant_id', 'is', null), is('tenant_id', '=', tenantId)]))
    .orderBy('name')
    .execute()
}

/** How many desktops are a user's own; those that pools have given her are not. */
export async function countOwnDesktops(db: Db, userId: number): Promise<number> {
  const { count } = await db
    .selectFrom('vm')
    .select((of) => of.fn.countAll<string>().as('count'))
    .where('user_id', '=', userId)
    .where('pool_id', 'is', null)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/**
 * Makes a desktop for a user, named after her. Whoever adds one at the same time waits, so no limit is overstepped.
 * @returns its number.
 * @throws Fault `quota.reached`, `object.exists`, `address.taken`, and what `requireMore` throws. Nothing was written then.
 */
export async function addOwnDesktop(db: Db, wanted: OwnDesktop, pool: AddressPool): Promise<number> {
  const { user, flavourId, diTag, requireMore } = wanted
  return await transact(db, async (transaction) => {
    const address = await takeAddress(transaction, pool)
    requireMore(await countOwnDesktops(transaction, user.id))
    const refusal = await refusalOfFlavour(transaction, flavourId, {
      userId: user.id,
      tenantId: user.tenantId,
    })
    if (refusal !== undefined) throw faultOfFlavour(refusal)
    if (address === undefined) throw new Fault('address.taken', { address: `${pool.start} and all above it` })
    const names = Array.from({ length: MOST_NAMES }, (_, at) => `${user.login}-${at + 1}`)
    const name = await freeName(transaction, names)
    if (name === undefined) throw new Fault('object.exists', { kind: 'vm', name: names.at(-1) ?? user.login })
    const { id } = await transaction
      .insertInto('vm')
      .values({ name, user_id: user.id, flavour_id: flavourId, address, di_tag: diTag })
      .returning('id')
      .executeTakeFirstOrThrow()
    return id
  })
}
