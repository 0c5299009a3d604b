import { Fault } from '@ostler/contract/fault.ts'
import {
  JOB_ORDERS,
  type JobItemState,
  type JobLine,
  type JobOrder,
  type JobShown,
  type JobState,
} from '@ostler/contract/jobs.ts'
import { sql } from 'kysely'
import type { Db } from './open.ts'
import { transact } from './transact.ts'

/** How many of the newest are listed. */
const LISTED = 50
/** An hkd that says nothing for so long does its jobs no more. */
const LEASE_SECONDS = 15
/** So long a preview that nobody runs is kept. */
const PREVIEW_HOURS = 24

/** A job that is under way. */
export interface OpenJob {
  readonly id: number
  readonly kind: 'roll-out'
  readonly state: 'running' | 'stopping'
  readonly reason: string
}

/** The newest jobs, newest first. */
export async function listJobs(db: Db): Promise<JobLine[]> {
  return (await jobRows(db).orderBy('id', 'desc').limit(LISTED).execute()).map(line)
}

/**
 * One job with its desktops and its log.
 * @param after the number of the last line of the log that is known already.
 * @throws Fault `object.unknown`.
 */
export async function showJob(db: Db, id: number, after: number): Promise<JobShown> {
  const row = await jobRows(db).where('id', '=', id).executeTakeFirst()
  if (row === undefined) throw unknown(id)
  const items = await db
    .selectFrom('job_item')
    .innerJoin('vm', 'vm.id', 'vm_id')
    .select(['vm.name as vm', 'wave', 'job_item.state', 'job_item.fault'])
    .where('job_id', '=', id)
    .orderBy('wave')
    .orderBy('vm_id')
    .execute()
  const log = await db
    .selectFrom('job_log')
    .select(['id', 'at', 'text'])
    .where('job_id', '=', id)
    .where('id', '>', String(after))
    .orderBy('job_log.id')
    .execute()
  return {
    ...line(row),
    items,
    log: log.map((entry) => ({ number: Number(entry.id), at: entry.at.toISOString(), text: entry.text })),
  }
}

/** Orders something of a job, and tells whoever does it. @throws Fault `object.unknown`, `job.state`. */
export async function orderJob(db: Db, id: number, order: JobOrder, by: string): Promise<void> {
  await transact(db, async (tx) => {
    const { from, to } = JOB_ORDERS[order]
    const states: readonly JobState[] = from
    await requireJobIn(tx, id, states, order)
    const reason = order === 'stop' ? `stopped by ${by}` : ''
    await tx.updateTable('job').set({ state: to, reason }).where('id', '=', id).execute()
    await logJob(tx, id, `${order} by ${by}`)
    await tellOfJob(tx, id)
  })
}

/**
 * Makes sure that a job is in one of some states, and stays there until the transaction ends.
 * @throws Fault `object.unknown`, `job.state`.
 */
export async function requireJobIn(
  tx: Db,
  id: number,
  states: readonly JobState[],
  order: string,
): Promise<void> {
  const job = await tx.selectFrom('job').select('state').where('id', '=', id).forUpdate().executeTakeFirst()
  if (job === undefined) throw unknown(id)
  if (!states.includes(job.state)) throw new Fault('job.state', { job: id, state: job.state, order })
}

/** Adds a line to a job's log. */
export async function logJob(tx: Db, id: number, text: string): Promise<void> {
  await tx.insertInto('job_log').values({ job_id: id, text }).execute()
}

/** Hints at a job. */
export async function tellOfJob(tx: Db, id: number): Promise<void> {
  await sql`SELECT pg_notify('ostler_job', ${String(id)})`.execute(tx)
}

// --- for hkd alone ---

/** Numbers of the jobs that this node may do: its own, and those of nobody who lives. */
export async function jobsToDo(db: Db, hostId: number): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`
    SELECT id FROM ostler.job
    WHERE ended_at IS NULL AND state IN ('running', 'stopping')
      AND (host_id IS NULL OR host_id = ${hostId} OR lease_until < now())
    ORDER BY id`.execute(db)
  return rows.map(({ id }) => id)
}

/**
 * Does one step of a job as one transaction, in which nobody else touches the job: whoever dies in it has done nothing.
 * @returns what `work` returns; `undefined` when the job is not ours to do, or is another one's just now.
 */
export async function stepJob<T>(
  db: Db,
  id: number,
  hostId: number,
  work: (tx: Db, job: OpenJob) => Promise<T>,
): Promise<T | undefined> {
  return await transact(db, async (tx) => {
    const { rows } = await sql<OpenJob>`
      SELECT id, kind, state, reason FROM ostler.job
      WHERE id = ${id} AND ended_at IS NULL AND state IN ('running', 'stopping')
        AND (host_id IS NULL OR host_id = ${hostId} OR lease_until < now())
      FOR UPDATE SKIP LOCKED`.execute(tx)
    const [job] = rows
    if (job === undefined) return undefined
    await sql`
      UPDATE ostler.job SET host_id = ${hostId}, lease_until = now() + make_interval(secs => ${LEASE_SECONDS})
      WHERE id = ${id}`.execute(tx)
    return await work(tx, job)
  })
}

/** Writes down how far a job is. One that has ended is not begun again. */
export async function markJob(
  tx: Db,
  id: number,
  mark: { readonly state?: JobState; readonly progress?: string; readonly reason?: string },
  ended = false,
): Promise<void> {
  await tx
    .updateTable('job')
    .set({ ...mark, ...(ended ? { ended_at: sql<Date>`now()` } : {}) })
    .where('id', '=', id)
    .execute()
}

/** Writes down how desktops of a job stand; returns those of which that is news. */
export async function markItems(
  tx: Db,
  id: number,
  items: readonly { readonly vmId: number; readonly state: JobItemState; readonly fault: string | null }[],
): Promise<readonly { readonly vmId: number; readonly state: JobItemState }[]> {
  const { rows } = await sql<{ vmId: number; state: JobItemState }>`
    UPDATE ostler.job_item SET state = now.state, fault = now.fault
    FROM jsonb_to_recordset(${JSON.stringify(items)}::jsonb) AS now ("vmId" int, state text, fault text)
    WHERE job_id = ${id} AND vm_id = now."vmId"
      AND (job_item.state, job_item.fault) IS DISTINCT FROM (now.state, now.fault)
    RETURNING vm_id AS "vmId", job_item.state`.execute(tx)
  return rows
}

/** Removes previews that nobody has run. */
export async function sweepPreviews(db: Db): Promise<void> {
  await sql`
    DELETE FROM ostler.job
    WHERE state = 'previewed' AND made_at < now() - make_interval(hours => ${PREVIEW_HOURS})`.execute(db)
}

function jobRows(db: Db) {
  return db
    .selectFrom('job')
    .select(['id', 'kind', 'state', 'progress', 'by', 'made_at', 'ended_at', 'reason'])
}

function line(row: {
  id: number
  kind: string
  state: JobState
  progress: string
  by: string
  made_at: Date
  ended_at: Date | null
  reason: string
}): JobLine {
  const { made_at: made, ended_at: ended, id, kind, state, progress, by, reason } = row
  return {
    id,
    kind,
    state,
    progress,
    by,
    made: made.toISOString(),
    ended: ended?.toISOString() ?? null,
    reason,
  }
}

function unknown(id: number): Fault {
  return new Fault('object.unknown', { kind: 'job', name: String(id) })
}
