import { type Kysely, sql } from 'kysely'

/** What went wrong with a desktop and how its agent is; starts that are tried again; a log that only grows; what is told. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await facts(db)
  await wishes(db)
  await appendOnly(db)
  await outbox(db)
}

async function facts(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ostler.vm
      ADD fault_code text,
      ADD fault_cure text,
      ADD failures int NOT NULL DEFAULT 0 CHECK (failures >= 0),
      ADD next_try_at timestamptz,
      ADD agent_verdict text CHECK (agent_verdict IN ('answers', 'notStarted', 'unreachable', 'refusing', 'hung')),
      ADD agent_said text,
      ADD agent_since timestamptz`.execute(db)
  await sql`
    ALTER TABLE ostler.vm_log
      ADD fault_code text,
      ADD fault_cure text,
      ADD console text CHECK (length(console) <= 65536)`.execute(db)
}

/** What is wished by itself and outlives a failed start is not a door's to wish. */
async function wishes(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE ostler.wish ADD persistent boolean NOT NULL DEFAULT false`.execute(db)
  await sql`CREATE POLICY not_lasting ON ostler.wish AS RESTRICTIVE FOR INSERT TO ostler_l7r
    WITH CHECK (NOT persistent)`.execute(db)
}

/**
 * A line of the log is never changed, and only removed when it is old, by the function for that. It outlives its desktop, so
 * it does not refer to its row. hkd owns the table and needs a trigger to be bound by anything.
 */
async function appendOnly(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE ostler.vm_log DROP CONSTRAINT vm_log_vm_id_fkey`.execute(db)
  await sql`CREATE INDEX ON ostler.vm_log (at)`.execute(db)
  await sql`
    CREATE FUNCTION ostler.keep_log() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
    BEGIN
      IF TG_OP = 'DELETE' THEN
        IF current_setting('ostler.purging', true) = 'on' AND OLD.at < now() - interval '1 day' THEN
          RETURN OLD;
        END IF;
      END IF;
      RAISE EXCEPTION 'the log of desktops only grows' USING ERRCODE = 'insufficient_privilege';
    END $$`.execute(db)
  await sql`
    CREATE TRIGGER keep_log BEFORE UPDATE OR DELETE ON ostler.vm_log
      FOR EACH ROW EXECUTE FUNCTION ostler.keep_log()`.execute(db)
  await sql`
    CREATE TRIGGER keep_whole_log BEFORE TRUNCATE ON ostler.vm_log
      FOR EACH STATEMENT EXECUTE FUNCTION ostler.keep_log()`.execute(db)
  await sql`
    CREATE FUNCTION ostler.purge_log(days int) RETURNS int LANGUAGE plpgsql SET search_path = pg_catalog AS $$
    DECLARE
      gone int;
    BEGIN
      IF days < 1 THEN RAISE EXCEPTION 'a log is kept for a day at least'; END IF;
      PERFORM set_config('ostler.purging', 'on', true);
      DELETE FROM ostler.vm_log WHERE at < now() - make_interval(days => days);
      GET DIAGNOSTICS gone = ROW_COUNT;
      PERFORM set_config('ostler.purging', 'off', true);
      RETURN gone;
    END $$`.execute(db)
  await sql`REVOKE EXECUTE ON FUNCTION ostler.purge_log(int) FROM PUBLIC`.execute(db)
}

/**
 * What administrators are told, written in the transaction of the fact itself, whichever program writes that: by triggers,
 * with the rights of the tables' owner.
 */
async function outbox(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ostler.notice (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      kind text NOT NULL CHECK (kind IN ('failure', 'provision', 'expiry')),
      at timestamptz NOT NULL DEFAULT now(),
      vm_id int NOT NULL,
      vm text NOT NULL,
      login text NOT NULL,
      said text NOT NULL,
      code text,
      cure text,
      mailed_at timestamptz,
      posted_at timestamptz
    )`.execute(db)
  await sql`CREATE INDEX ON ostler.notice (id) WHERE mailed_at IS NULL OR posted_at IS NULL`.execute(db)
  await sql`
    CREATE TABLE ostler.notice_channel (
      channel text PRIMARY KEY CHECK (channel IN ('mail', 'webhook')),
      next_at timestamptz NOT NULL DEFAULT now(),
      held_until timestamptz,
      failures int NOT NULL DEFAULT 0,
      fault text
    )`.execute(db)
  await sql`INSERT INTO ostler.notice_channel (channel) VALUES ('mail'), ('webhook')`.execute(db)
  await sql`GRANT SELECT ON ostler.notice, ostler.notice_channel TO ostler_api`.execute(db)
  await sql`
    CREATE FUNCTION ostler.tell(text, int, text, text, text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
      INSERT INTO ostler.notice (kind, vm_id, vm, login, said, code, cure)
      SELECT $1, vm.id, vm.name, coalesce(users.login, ''), $3, $4, $5
      FROM ostler.vm LEFT JOIN ostler.users ON users.id = vm.user_id WHERE vm.id = $2;
      SELECT pg_notify('ostler_notice', '')
    $$`.execute(db)
  await sql`REVOKE EXECUTE ON FUNCTION ostler.tell(text, int, text, text, text) FROM PUBLIC`.execute(db)
  await toldOfFailures(db)
  await toldOfDesktops(db)
  await toldOfExpiry(db)
}

async function toldOfFailures(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE FUNCTION ostler.tell_failure() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DECLARE
      often int;
    BEGIN
      SELECT failures INTO often FROM ostler.vm WHERE id = NEW.vm_id;
      PERFORM ostler.tell('failure', NEW.vm_id, coalesce(NEW.fault, 'nobody can tell whether it still runs')
        || CASE WHEN often > 1 THEN format(' (%s times in a row)', often) ELSE '' END, NEW.fault_code, NEW.fault_cure);
      RETURN NULL;
    END $$`.execute(db)
  await sql`
    CREATE TRIGGER tell_failure AFTER INSERT ON ostler.vm_log FOR EACH ROW
      WHEN (NEW.state IS DISTINCT FROM NEW.prior AND (NEW.state IN ('failed', 'lost') OR NEW.event = 'agentLost'))
      EXECUTE FUNCTION ostler.tell_failure()`.execute(db)
}

async function toldOfDesktops(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE FUNCTION ostler.tell_provision() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
    BEGIN
      PERFORM ostler.tell('provision', NEW.id, 'the desktop was made', NULL, NULL);
      RETURN NULL;
    END $$`.execute(db)
  await sql`
    CREATE TRIGGER tell_provision AFTER INSERT ON ostler.vm FOR EACH ROW
      EXECUTE FUNCTION ostler.tell_provision()`.execute(db)
}

async function toldOfExpiry(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE FUNCTION ostler.tell_expiry() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
    BEGIN
      PERFORM ostler.tell('expiry', NEW.vm_id, NEW.reason, NULL, NULL);
      RETURN NULL;
    END $$`.execute(db)
  await sql`
    CREATE TRIGGER tell_expiry AFTER INSERT ON ostler.wish FOR EACH ROW WHEN (NEW.kind = 'expire')
      EXECUTE FUNCTION ostler.tell_expiry()`.execute(db)
  await sql`
    CREATE FUNCTION ostler.tell_of_notice() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
    BEGIN
      PERFORM ostler.tell('expiry', NEW.id, 'its user was told that it expires', NULL, NULL);
      RETURN NULL;
    END $$`.execute(db)
  await sql`
    CREATE TRIGGER tell_of_notice AFTER UPDATE OF expiry_told_at ON ostler.vm FOR EACH ROW
      WHEN (NEW.expiry_told_at IS NOT NULL AND OLD.expiry_told_at IS NULL)
      EXECUTE FUNCTION ostler.tell_of_notice()`.execute(db)
}
