import { type RawBuilder, sql } from 'kysely'
import type { NoticeChannel, NoticeKind } from '../model/notice.ts'
import type { Db } from './open.ts'
import { transact } from './transact.ts'

/** Something of which administrators are told. */
export interface Notice {
  readonly id: number
  readonly kind: NoticeKind
  readonly at: Date
  readonly desktop: string
  readonly user: string
  readonly said: string
  readonly code: string | null
  readonly cure: string | null
}

/** Notices that one hkd has taken upon itself to tell. */
export interface TakenNotices {
  readonly notices: readonly Notice[]
  /** How often telling has failed in a row. */
  readonly failures: number
}

/** Of one message. */
const MOST_NOTICES = 1_000
/** How many of the newest are listed. */
const LISTED = 50

/** When a notice was told by a channel. */
const TOLD: Readonly<Record<NoticeChannel, RawBuilder<Date | null>>> = {
  mail: sql.ref('mailed_at'),
  webhook: sql.ref('posted_at'),
}

/**
 * Takes everything that a channel is to tell now, unless another hkd is at it or it is to wait. What nobody wants to hear of
 * counts as told.
 * @param holdMs longer than telling may take: afterwards others may try.
 */
export async function takeNotices(
  db: Db,
  channel: NoticeChannel,
  kinds: readonly NoticeKind[],
  holdMs: number,
): Promise<TakenNotices | undefined> {
  const told = TOLD[channel]
  return await transact(db, async (tx) => {
    await sql`
      UPDATE ostler.notice SET ${told} = now()
      WHERE ${told} IS NULL AND NOT (kind = ANY (${[...kinds]}))`.execute(tx)
    const { rows } = await sql<{ failures: number }>`
      UPDATE ostler.notice_channel SET held_until = now() + make_interval(secs => ${holdMs / 1_000})
      WHERE channel = ${channel} AND next_at <= now() AND (held_until IS NULL OR held_until <= now())
        AND EXISTS (SELECT FROM ostler.notice WHERE ${told} IS NULL)
      RETURNING failures`.execute(tx)
    const [taken] = rows
    if (taken === undefined) return undefined
    const { rows: notices } = await sql<Notice>`
      SELECT id::int, kind, at, vm AS desktop, login AS user, said, code, cure FROM ostler.notice
      WHERE ${told} IS NULL ORDER BY id LIMIT ${MOST_NOTICES}`.execute(tx)
    return { notices, failures: taken.failures }
  })
}

/** Notices were told. @param everyMs until the next message. */
export async function noticesTold(
  db: Db,
  channel: NoticeChannel,
  ids: readonly number[],
  everyMs: number,
): Promise<void> {
  const told = TOLD[channel]
  await transact(db, async (tx) => {
    await sql`UPDATE ostler.notice SET ${told} = now() WHERE id = ANY (${[...ids]})`.execute(tx)
    await sql`
      UPDATE ostler.notice_channel SET held_until = NULL, failures = 0, fault = NULL,
        next_at = now() + make_interval(secs => ${everyMs / 1_000})
      WHERE channel = ${channel}`.execute(tx)
  })
}

/** Telling has failed. @param againMs until it is tried again. */
export async function noticesFailed(
  db: Db,
  channel: NoticeChannel,
  fault: string,
  againMs: number,
): Promise<void> {
  await sql`
    UPDATE ostler.notice_channel SET held_until = NULL, failures = failures + 1, fault = ${fault},
      next_at = now() + make_interval(secs => ${againMs / 1_000})
    WHERE channel = ${channel}`.execute(db)
}

/**
 * Removes notices that are older than that, told or not.
 * @returns how many of them nobody was told of.
 */
export async function dropOldNotices(db: Db, days: number): Promise<number> {
  const { rows } = await sql<{ untold: number }>`
    WITH dropped AS (
      DELETE FROM ostler.notice WHERE at < now() - make_interval(days => ${days})
      RETURNING mailed_at IS NULL OR posted_at IS NULL AS untold)
    SELECT count(*)::int AS untold FROM dropped WHERE untold`.execute(db)
  return rows[0]?.untold ?? 0
}

/** The newest notices, newest first. */
export async function listNotices(db: Db): Promise<Record<string, unknown>[]> {
  return await db
    .selectFrom('notice')
    .select(['id', 'kind', 'at', 'vm', 'login as user', 'said', 'mailed_at', 'posted_at'])
    .orderBy('id', 'desc')
    .limit(LISTED)
    .execute()
}
