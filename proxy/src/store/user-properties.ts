import { sql } from 'kysely'
import type { Db } from './open.ts'

/** A user's properties, by key. */
export async function listUserProperties(db: Db, userId: number): Promise<{ key: string; value: string }[]> {
  return await db
    .selectFrom('user_property')
    .select(['key', 'value'])
    .where('user_id', '=', userId)
    .orderBy('key')
    .execute()
}

export async function setUserProperties(
  db: Db,
  userId: number,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  await sql`
    INSERT INTO ostler.user_property (user_id, key, value)
    SELECT ${userId}::int, key, value FROM jsonb_each_text(${JSON.stringify(values)}::jsonb)
    ON CONFLICT (user_id, key) DO UPDATE SET value = excluded.value`.execute(db)
}

/** Returns how many there were. */
export async function deleteUserProperties(db: Db, userId: number, keys: readonly string[]): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('user_property')
    .where('user_id', '=', userId)
    .where('key', 'in', keys)
    .executeTakeFirst()
  return Number(numDeletedRows)
}
