import { type Kysely, sql } from 'kysely'

/**
 * What placing a start needs, without a look at every desktop: how many starts there have been, and which desktops are in a state or
 * on a node.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`CREATE INDEX vm_state ON ostler.vm (state)`.execute(db)
  await sql`CREATE INDEX vm_host ON ostler.vm (host_id) WHERE host_id IS NOT NULL`.execute(db)
  await sql`CREATE SEQUENCE ostler.start_count`.execute(db)
  await sql`SELECT setval('ostler.start_count', greatest(1, sum(epoch)), sum(epoch) > 0) FROM ostler.vm`.execute(
    db,
  )
  await sql`
    CREATE FUNCTION ostler.count_start() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM nextval('ostler.start_count');
      RETURN NULL;
    END $$`.execute(db)
  await sql`
    CREATE TRIGGER count_start AFTER UPDATE OF epoch ON ostler.vm
      FOR EACH ROW WHEN (NEW.epoch > OLD.epoch) EXECUTE FUNCTION ostler.count_start()`.execute(db)
  await sql`GRANT SELECT ON ostler.start_count TO ostler_l7r, ostler_api`.execute(db)
}
