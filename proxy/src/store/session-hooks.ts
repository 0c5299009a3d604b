import type { HookResult } from '@ostler/contract/agent-api.ts'
import { sql } from 'kysely'
import type { Db } from './open.ts'

/** So many results of each desktop are kept. */
const KEPT = 50

/** Records what became of a hook in a desktop; the oldest results of that desktop go, and whoever watches it is told. */
export async function addHookResult(
  db: Db,
  boot: { readonly vmId: number; readonly epoch: number; readonly session: number },
  result: HookResult,
): Promise<void> {
  await db
    .insertInto('session_hook')
    .values({
      vm_id: boot.vmId,
      epoch: boot.epoch,
      session: boot.session,
      hook: result.hook,
      word: result.for,
      exit: result.exit,
      ms: result.ms,
      said: result.text,
    })
    .execute()
  await sql`
    DELETE FROM ostler.session_hook WHERE vm_id = ${boot.vmId} AND id <= (
      SELECT id FROM ostler.session_hook WHERE vm_id = ${boot.vmId} ORDER BY id DESC OFFSET ${KEPT} LIMIT 1)`.execute(
    db,
  )
  await sql`SELECT pg_notify('ostler_admin', 'session_hook')`.execute(db)
}

/** The latest results of a desktop, newest first. */
export async function readHookResults(
  db: Db,
  vmId: number,
  limit: number,
): Promise<{ at: Date; hook: string; exit: number | null; ms: number; said: string }[]> {
  return await db
    .selectFrom('session_hook')
    .select(['at', 'hook', 'exit', 'ms', 'said'])
    .where('vm_id', '=', vmId)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
}
