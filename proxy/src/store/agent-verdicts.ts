import { sql } from 'kysely'
import type { AgentVerdict } from '../model/agent-verdict.ts'
import type { Db } from './open.ts'

/**
 * Writes down how the agent of a boot is, unless that is what stands there.
 * @param found what it said, in words; how long it is so already.
 * @param logged whether it stands in the desktop's log as well.
 * @returns whether it is news.
 */
export async function noteAgent(
  db: Db,
  vm: { readonly id: number; readonly epoch: number },
  found: { readonly verdict: AgentVerdict; readonly said: string | null; readonly sinceMs: number },
  logged: boolean,
): Promise<boolean> {
  const { verdict, said, sinceMs } = found
  const { rows } = await sql`
    WITH noted AS (
      UPDATE ostler.vm SET agent_verdict = ${verdict}, agent_said = ${said},
        agent_since = clock_timestamp() - make_interval(secs => ${sinceMs / 1_000})
      WHERE id = ${vm.id} AND epoch = ${vm.epoch} AND agent_verdict IS DISTINCT FROM ${verdict}
      RETURNING id, epoch, state),
    written AS (
      INSERT INTO ostler.vm_log (vm_id, epoch, event, prior, state, fault)
      SELECT id, epoch, 'agent ' || ${verdict}, state, state, ${said} FROM noted WHERE ${logged})
    SELECT pg_notify('ostler_vm', id::text) FROM noted`.execute(db)
  return rows.length > 0
}
