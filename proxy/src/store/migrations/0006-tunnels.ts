import { type Kysely, sql } from 'kysely'

/** Consoles that the authority is asked to sign, and what ends tunnels. */
export async function up(db: Kysely<unknown>): Promise<void> {
  // All that is signed stands here and not in the ticket: the door may add tickets, but no order.
  await sql`
    CREATE TABLE ostler.console_order (
      digest bytea PRIMARY KEY REFERENCES ostler.ticket ON DELETE CASCADE,
      vm_id int NOT NULL REFERENCES ostler.vm ON DELETE CASCADE,
      epoch int NOT NULL,
      by text NOT NULL CHECK (by ~ '^[^[:cntrl:]]{1,128}$'),
      account text NOT NULL CHECK (account ~ '^[a-z_][a-z0-9_.-]{0,31}$'),
      expires_at timestamptz NOT NULL,
      signed text
    )`.execute(db)
  await sql`GRANT INSERT (digest, vm_id, epoch, by, account, expires_at) ON ostler.console_order TO ostler_api`.execute(
    db,
  )
  await sql`GRANT SELECT ON ostler.console_order TO ostler_l7r`.execute(db)
  // A ticket that was made is used or thrown away, and never made another one.
  await sql`REVOKE UPDATE ON ostler.ticket FROM ostler_l7r, ostler_api`.execute(db)
  await sql`GRANT UPDATE (uses_left) ON ostler.ticket TO ostler_l7r`.execute(db)
  // Counted, so that it is seen also when somebody has claimed the desktop since.
  await sql`ALTER TABLE ostler.seat ADD disconnects int NOT NULL DEFAULT 0`.execute(db)
  await sql`GRANT UPDATE (disconnects) ON ostler.seat TO ostler_api`.execute(db)
}
