import { Fault } from '@ostler/contract/fault.ts'
import type { Db } from './open.ts'

/**
 * While a tag is rolled out nothing else moves it: two would not know of which image a desktop is to run.
 * @throws Fault `rollOut.open` with the job's number.
 */
export async function requireNoRollOut(tx: Db, flavourId: number, tag: string): Promise<void> {
  const open = await tx
    .selectFrom('roll_out')
    .innerJoin('job', 'job.id', 'job_id')
    .select('job_id')
    .where('flavour_id', '=', flavourId)
    .where('tag', '=', tag)
    .where('job.state', 'in', ['running', 'paused', 'stopping'])
    .executeTakeFirst()
  if (open !== undefined) throw new Fault('rollOut.open', { job: open.job_id, tag })
}
