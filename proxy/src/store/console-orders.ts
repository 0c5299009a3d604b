import { sql } from 'kysely'
import type { Db } from './open.ts'
import { addTicket, type NewTicket } from './tickets.ts'
import { transact } from './transact.ts'

/** A console that somebody was given a ticket for and that waits for the authority's signature. */
export interface ConsoleOrder {
  /** Of the ticket. */
  readonly digest: Buffer
  readonly vmId: number
  readonly epoch: number
  readonly by: string
  /** Whose login shell it is. */
  readonly account: string
}

/** Adds a ticket for a console, and asks the node of its desktop to sign it. */
export async function orderConsole(db: Db, ticket: Omit<NewTicket, 'kind'>, account: string): Promise<void> {
  await transact(db, async (tx) => {
    await addTicket(tx, { ...ticket, kind: 'console' })
    const { digest, vmId, epoch, by, seconds } = ticket
    await tx
      .insertInto('console_order')
      .values({
        digest,
        vm_id: vmId,
        epoch,
        by,
        account,
        expires_at: sql`now() + make_interval(secs => ${seconds})`,
      })
      .execute()
    await hint(tx, vmId)
  })
}

/** What waits for the signature of a node: consoles of desktops that run there, in the boot that was meant. */
export async function openConsoleOrders(db: Db, hostId: number): Promise<ConsoleOrder[]> {
  return await db
    .selectFrom('console_order as o')
    .innerJoin('vm', (join) => join.onRef('vm.id', '=', 'o.vm_id').onRef('vm.epoch', '=', 'o.epoch'))
    .select(['o.digest', 'o.vm_id as vmId', 'o.epoch', 'o.by', 'o.account'])
    .where('o.signed', 'is', null)
    .where('o.expires_at', '>', sql<Date>`now()`)
    .where('vm.host_id', '=', hostId)
    .where('vm.state', '=', 'running')
    .execute()
}

/** Keeps what was signed, and tells the doors. */
export async function keepSigned(db: Db, order: ConsoleOrder, signed: string): Promise<void> {
  await db.updateTable('console_order').set({ signed }).where('digest', '=', order.digest).execute()
  await hint(db, order.vmId)
}

/** What the authority has signed for a ticket; `undefined` as long as it has not. */
export async function readSigned(db: Db, digest: Buffer): Promise<string | undefined> {
  const row = await db
    .selectFrom('console_order')
    .select('signed')
    .where('digest', '=', digest)
    .executeTakeFirst()
  return row?.signed ?? undefined
}

async function hint(db: Db, vmId: number): Promise<void> {
  await sql`SELECT pg_notify('ostler_ticket', ${String(vmId)})`.execute(db)
}
