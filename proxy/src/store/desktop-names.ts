import type { Db } from './open.ts'

/** The first of some names that no desktop has; `undefined` when all are taken. Whoever asks holds the lock of `takeAddress`. */
export async function freeName(db: Db, names: readonly string[]): Promise<string | undefined> {
  const rows = await db.selectFrom('vm').select('name').where('name', 'in', names).execute()
  const taken = new Set(rows.map((row) => row.name))
  return names.find((name) => !taken.has(name))
}
