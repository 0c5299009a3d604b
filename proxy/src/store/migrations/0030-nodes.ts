import { type Kysely, sql } from 'kysely'

/**
 * Many nodes: how one joins, where its hkd is asked by those of others, and who may declare it lost (docs/decisions/0078).
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ostler.host
      ADD COLUMN peer_address text,
      ADD COLUMN peer_port int CHECK (peer_port BETWEEN 1 AND 65535),
      ADD COLUMN lost_after_ms int NOT NULL DEFAULT 25000 CHECK (lost_after_ms > 0),
      ADD COLUMN standing bigint NOT NULL DEFAULT 0,
      ADD COLUMN told_standing bigint NOT NULL DEFAULT 0`.execute(db)
  await sql`CREATE SEQUENCE ostler.standing AS bigint`.execute(db)
  await lostHosts(db)
  await invitations(db)
}

/** QVD's word for a node that others have given up. */
async function lostHosts(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE ostler.host DROP CONSTRAINT host_state_check`.execute(db)
  await sql`
    ALTER TABLE ostler.host ADD CONSTRAINT host_state_check
      CHECK (state IN ('stopped', 'starting', 'running', 'stopping', 'lost'))`.execute(db)
}

/** Only the digest of what opens an invitation is here: who reads the table, or a backup, can do nothing with it. */
async function invitations(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ostler.host_invitation (
      host_id int PRIMARY KEY REFERENCES ostler.host ON DELETE CASCADE,
      digest bytea NOT NULL UNIQUE CHECK (length(digest) = 32),
      sealed text NOT NULL,
      made_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL
    )`.execute(db)
  await sql`
    CREATE FUNCTION ostler.take_invitation(asked bytea) RETURNS text
      LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      DELETE FROM ostler.host_invitation WHERE digest = asked AND expires_at > now() RETURNING sealed $$`.execute(
    db,
  )
  await sql`REVOKE ALL ON FUNCTION ostler.take_invitation(bytea) FROM PUBLIC`.execute(db)
}
