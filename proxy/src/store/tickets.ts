import { sql } from 'kysely'
import type { TicketKind } from '../model/ticket.ts'
import type { Db } from './open.ts'

/** What whoever made a ticket wants the door to know when it is used: small, and nothing secret. */
export type TicketDetail = Readonly<Record<string, string | number | boolean>>

/** A ticket as it is kept. */
export interface NewTicket {
  /** SHA-256 of the ticket's text: the text itself is kept nowhere. */
  readonly digest: Buffer
  readonly kind: TicketKind
  readonly vmId: number
  /** The boot that is meant: a ticket for an earlier one opens nothing. */
  readonly epoch: number
  /** Login of whoever it was made for. */
  readonly by: string
  readonly detail?: TicketDetail
  /** How many connections it opens; 1 if not given. */
  readonly uses?: number
  readonly seconds: number
}

/** A ticket that was good. */
export interface Ticket {
  readonly kind: TicketKind
  readonly vmId: number
  readonly epoch: number
  readonly by: string
  readonly detail: TicketDetail
  /** How many connections it opens after this one. */
  readonly usesLeft: number
}

export async function addTicket(db: Db, ticket: NewTicket): Promise<void> {
  await db
    .insertInto('ticket')
    .values({
      digest: ticket.digest,
      kind: ticket.kind,
      vm_id: ticket.vmId,
      epoch: ticket.epoch,
      by: ticket.by,
      detail: JSON.stringify(ticket.detail ?? {}),
      uses_left: ticket.uses ?? 1,
      expires_at: sql`now() + make_interval(secs => ${ticket.seconds})`,
    })
    .execute()
}

/**
 * Uses a ticket, once for each connection it was made for: of two that come at the same time with a ticket for one,
 * one gets it.
 *
 * @param kinds what may come with it to the door that asks.
 * @returns `undefined` for one that is unknown, used up, too old, of another kind, or for an earlier boot.
 */
export async function takeTicket(
  db: Db,
  digest: Buffer,
  kinds: readonly TicketKind[],
): Promise<Ticket | undefined> {
  const { rows } = await sql<Ticket>`
    UPDATE ostler.ticket AS t SET uses_left = t.uses_left - 1
    FROM ostler.vm AS v
    WHERE t.digest = ${digest} AND t.kind = ANY(${[...kinds]}) AND t.uses_left > 0 AND t.expires_at > now()
      AND v.id = t.vm_id AND v.epoch = t.epoch
    RETURNING t.kind, t.vm_id AS "vmId", t.epoch, t.by, t.detail, t.uses_left AS "usesLeft"`.execute(db)
  return rows[0]
}

/** Adds to what the door is told when a ticket is used again. */
export async function amendTicket(db: Db, digest: Buffer, more: TicketDetail): Promise<void> {
  await sql`UPDATE ostler.ticket SET detail = detail || ${JSON.stringify(more)} WHERE digest = ${digest}`.execute(
    db,
  )
}

/** Removes tickets that nobody can use any more. */
export async function purgeTickets(db: Db): Promise<void> {
  await db
    .deleteFrom('ticket')
    .where('expires_at', '<=', sql<Date>`now()`)
    .execute()
}
