import type { FirstDesktop, Provided } from '../model/first-desktop.ts'
import { type AddressPool, takeAddress } from './addresses.ts'
import { freeName } from './desktop-names.ts'
import { refusalOfFlavour } from './flavour-limits.ts'
import type { Db } from './open.ts'
import { transact } from './transact.ts'

/**
 * Makes a user's row, without a password, unless she has one, and a desktop of a flavour, unless she has one of it.
 * Whoever asks at the same time waits, and finds both.
 */
export async function provideFirstDesktop(
  db: Db,
  wanted: FirstDesktop,
  pool: AddressPool,
): Promise<Provided> {
  if (await isThere(db, wanted)) return 'there'
  return await transact(db, async (transaction) => {
    const address = await takeAddress(transaction, pool)
    if (await isThere(transaction, wanted)) return 'there'
    const { flavourId, diTag } = wanted
    if (flavourId === undefined) return (await userOf(transaction, wanted), 'made')
    const flavour = await transaction.selectFrom('flavour').select('id').where('id', '=', flavourId).execute()
    const userId = await findId(transaction, wanted.tenantId, wanted.login)
    const refusal = await refusalOfFlavour(transaction, flavourId, { userId, tenantId: wanted.tenantId })
    if (flavour.length === 0 || refusal?.why === 'foreign') return 'unknownFlavour'
    if (refusal !== undefined) return 'quotaReached'
    const name = await freeName(transaction, wanted.names)
    if (name === undefined) return 'namesTaken'
    if (address === undefined) return 'addressesTaken'
    const user_id = await userOf(transaction, wanted)
    await transaction
      .insertInto('vm')
      .values({ name, user_id, flavour_id: flavourId, address, di_tag: diTag })
      .execute()
    return 'made'
  })
}

async function isThere(db: Db, { tenantId, login, flavourId }: FirstDesktop): Promise<boolean> {
  const user = await findId(db, tenantId, login)
  if (user === undefined || flavourId === undefined) return user !== undefined
  const desktops = await db
    .selectFrom('vm')
    .select('id')
    .where('user_id', '=', user)
    .where('flavour_id', '=', flavourId)
    .limit(1)
    .execute()
  return desktops.length > 0
}

/** Her number; her row is made if there is none. An administrator may add her at the same moment. */
async function userOf(db: Db, { tenantId, login }: FirstDesktop): Promise<number> {
  await db
    .insertInto('users')
    .values({ tenant_id: tenantId, login, password: '' })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'login']).doNothing())
    .execute()
  const id = await findId(db, tenantId, login)
  if (id === undefined) throw new Error(`the user ${login} has just been removed`)
  return id
}

async function findId(db: Db, tenantId: number, login: string): Promise<number | undefined> {
  const row = await db
    .selectFrom('users')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where('login', '=', login)
    .executeTakeFirst()
  return row?.id
}
