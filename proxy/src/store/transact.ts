import { sql } from 'kysely'
import type { Db } from './open.ts'

/** PostgreSQL's codes for "try the same again": a serialization failure, and a deadlock. */
const AGAIN = ['40001', '40P01']
const ATTEMPTS = 10
const PAUSE_MS = 20

/**
 * Runs statements as one transaction, and again from the beginning when the database says that it only collided with another
 * one. So `work` does nothing that it must not do twice, other than by `tx`. Within a transaction it is a part of that one.
 *
 * @throws what `work` throws, or the collision when it was the tenth in a row.
 */
export async function transact<T>(db: Db, work: (tx: Db) => Promise<T>): Promise<T> {
  if (db.isTransaction) return await work(db)
  for (let attempt = 1; ; attempt++) {
    try {
      return await db.transaction().execute(work)
    } catch (error) {
      const code = (error as { code?: unknown }).code
      if (attempt >= ATTEMPTS || typeof code !== 'string' || !AGAIN.includes(code)) throw error
      // Two that collided must not do so again in step.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * PAUSE_MS * attempt))
    }
  }
}

/** Does a part of a transaction, or nothing of it: what fails is undone, and the transaction goes on. */
export async function attempt<T>(tx: Db, work: () => Promise<T>): Promise<T> {
  await sql`SAVEPOINT attempt`.execute(tx)
  try {
    const done = await work()
    await sql`RELEASE SAVEPOINT attempt`.execute(tx)
    return done
  } catch (error) {
    await sql`ROLLBACK TO SAVEPOINT attempt`.execute(tx)
    throw error
  }
}
