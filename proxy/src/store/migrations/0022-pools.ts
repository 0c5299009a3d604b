import { type Kysely, sql } from 'kysely'

/**
 * Kinds of overlays, pools, whose data a desktop of a pool holds, and maintenance. What must never happen – a desktop that
 * holds one user's data is another one's – is refused by the tables themselves, whichever program asks (docs/decisions/0041).
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ostler.flavour
      ADD COLUMN overlay text NOT NULL DEFAULT 'snapshot' CHECK (overlay IN ('snapshot', 'persistent', 'user'))`.execute(
    db,
  )
  await pools(db)
  await invariant(db)
  await maintenance(db)
  await captures(db)
  await notices(db)
  await grants(db)
}

async function pools(db: Kysely<unknown>): Promise<void> {
  // Its number is one of the desktops' numbers: a client opens either by the same request.
  await sql`
    CREATE TABLE ostler.pool (
      id int PRIMARY KEY DEFAULT nextval(pg_get_serial_sequence('ostler.vm', 'id')),
      name text NOT NULL UNIQUE,
      tenant_id int NOT NULL REFERENCES ostler.tenant,
      owner_id int NOT NULL REFERENCES ostler.users,
      flavour_id int NOT NULL REFERENCES ostler.flavour,
      di_tag text NOT NULL DEFAULT 'default',
      assign text NOT NULL DEFAULT 'floating' CHECK (assign IN ('floating', 'dedicated')),
      size int NOT NULL CHECK (size BETWEEN 0 AND 10000),
      spare int NOT NULL DEFAULT 0 CHECK (spare >= 0),
      most int NOT NULL CHECK (most >= 0),
      stop_minutes int CHECK (stop_minutes BETWEEN 0 AND 100000),
      everyone boolean NOT NULL DEFAULT false,
      logins text[] NOT NULL DEFAULT '{}',
      groups text[] NOT NULL DEFAULT '{}'
    )`.execute(db)
  await sql`GRANT USAGE ON SEQUENCE ostler.vm_id_seq TO ostler_api`.execute(db)
  await sql`
    CREATE TABLE ostler.pool_claim (
      number int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      pool_id int NOT NULL REFERENCES ostler.pool ON DELETE CASCADE,
      user_id int NOT NULL REFERENCES ostler.users ON DELETE CASCADE,
      at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL,
      closed_at timestamptz,
      vm_id int,
      outcome text
    )`.execute(db)
  await sql`CREATE INDEX ON ostler.pool_claim (pool_id, number) WHERE closed_at IS NULL`.execute(db)
  await sql`
    ALTER TABLE ostler.vm
      ADD COLUMN pool_id int REFERENCES ostler.pool,
      ADD COLUMN assigned_user_id int REFERENCES ostler.users,
      ADD COLUMN assigned_at timestamptz,
      ADD COLUMN dirty_user_id int REFERENCES ostler.users,
      ADD COLUMN dirty_since timestamptz,
      ADD COLUMN generation int NOT NULL DEFAULT 0,
      ADD CONSTRAINT vm_assigned_in_pool CHECK (assigned_user_id IS NULL OR pool_id IS NOT NULL),
      ADD CONSTRAINT vm_dirty_since CHECK ((dirty_user_id IS NULL) = (dirty_since IS NULL)),
      ADD CONSTRAINT vm_assigned_at CHECK ((assigned_user_id IS NULL) = (assigned_at IS NULL)),
      ADD CONSTRAINT vm_holds_its_users_data CHECK (
        assigned_user_id IS NULL OR dirty_user_id IS NOT NULL AND dirty_user_id = assigned_user_id)`.execute(
    db,
  )
  await sql`CREATE INDEX ON ostler.vm (pool_id) WHERE pool_id IS NOT NULL`.execute(db)
  await sql`
    CREATE INDEX vm_to_reset ON ostler.vm (id) WHERE dirty_user_id IS NOT NULL AND assigned_user_id IS NULL`.execute(
    db,
  )
  // Nodes where a desktop of a pool may have left something. Without cascade: such a desktop cannot be deleted.
  await sql`
    CREATE TABLE ostler.vm_remains (
      vm_id int NOT NULL REFERENCES ostler.vm,
      host_id int NOT NULL REFERENCES ostler.host,
      since timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (vm_id, host_id)
    )`.execute(db)
  // Receipts: one for each time that a desktop was found empty.
  await sql`
    CREATE TABLE ostler.vm_reset (
      vm_id int NOT NULL REFERENCES ostler.vm ON DELETE CASCADE,
      generation int NOT NULL,
      of_user_id int NOT NULL,
      host_id int NOT NULL,
      at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (vm_id, generation)
    )`.execute(db)
  await sql`ALTER TABLE ostler.seat ADD COLUMN user_id int`.execute(db)
}

async function invariant(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE FUNCTION ostler.keep_pooled() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
      IF NEW.user_id <> OLD.user_id AND OLD.epoch > 0 THEN
        RAISE EXCEPTION 'desktop % has run for one user and cannot become another one''s', OLD.id
          USING ERRCODE = 'check_violation';
      END IF;
      IF OLD.pool_id IS NULL AND NEW.pool_id IS NULL THEN RETURN NEW; END IF;
      IF NEW.pool_id IS DISTINCT FROM OLD.pool_id AND (OLD.epoch > 0 OR OLD.dirty_user_id IS NOT NULL) THEN
        RAISE EXCEPTION 'desktop % has run and changes no pool', OLD.id USING ERRCODE = 'check_violation';
      END IF;
      IF OLD.assigned_user_id IS NOT NULL AND NEW.assigned_user_id <> OLD.assigned_user_id THEN
        RAISE EXCEPTION 'desktop % is another user''s', OLD.id USING ERRCODE = 'check_violation';
      END IF;
      IF OLD.assigned_user_id IS NOT NULL AND NEW.assigned_user_id IS NULL
          AND NEW.state NOT IN ('stopped', 'failed') THEN
        RAISE EXCEPTION 'desktop % runs for its user', OLD.id USING ERRCODE = 'check_violation';
      END IF;
      IF NEW.dirty_user_id IS DISTINCT FROM OLD.dirty_user_id AND OLD.dirty_user_id IS NOT NULL THEN
        IF NEW.dirty_user_id IS NOT NULL OR NEW.assigned_user_id IS NOT NULL
            OR OLD.state NOT IN ('stopped', 'failed') OR NEW.state NOT IN ('stopped', 'failed')
            OR NEW.generation <> OLD.generation + 1
            OR EXISTS (SELECT FROM ostler.vm_remains WHERE vm_id = OLD.id)
            OR NOT EXISTS (SELECT FROM ostler.vm_reset
              WHERE vm_id = OLD.id AND generation = NEW.generation AND of_user_id = OLD.dirty_user_id) THEN
          RAISE EXCEPTION 'desktop % holds data of user % and was not reset', OLD.id, OLD.dirty_user_id
            USING ERRCODE = 'check_violation';
        END IF;
      END IF;
      IF NEW.host_id IS NOT NULL AND NEW.state = 'preparing' AND OLD.state <> 'preparing' THEN
        IF NEW.dirty_user_id IS NOT NULL AND NEW.assigned_user_id IS NULL THEN
          RAISE EXCEPTION 'desktop % starts for nobody before it was reset', OLD.id
            USING ERRCODE = 'check_violation';
        END IF;
        INSERT INTO ostler.vm_remains (vm_id, host_id) VALUES (OLD.id, NEW.host_id) ON CONFLICT DO NOTHING;
      END IF;
      RETURN NEW;
    END $$`.execute(db)
  await sql`
    CREATE TRIGGER keep_pooled BEFORE UPDATE ON ostler.vm FOR EACH ROW
    EXECUTE FUNCTION ostler.keep_pooled()`.execute(db)
  // A claim and an end of the assignment that meet: one waits for the other, and the claim sees what is true then.
  await sql`
    CREATE FUNCTION ostler.keep_seat() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
      pooled boolean;
      theirs int;
    BEGIN
      IF NEW.door IS NULL OR TG_OP = 'UPDATE' AND NEW.epoch = OLD.epoch AND NEW.user_id IS NOT DISTINCT FROM OLD.user_id THEN
        RETURN NEW;
      END IF;
      SELECT pool_id IS NOT NULL INTO pooled FROM ostler.vm WHERE id = NEW.vm_id;
      IF pooled THEN
        SELECT assigned_user_id INTO theirs FROM ostler.vm WHERE id = NEW.vm_id FOR SHARE;
        IF theirs IS NULL OR NEW.user_id IS DISTINCT FROM theirs THEN
          RAISE EXCEPTION 'desktop % is not the one of user %', NEW.vm_id, NEW.user_id USING ERRCODE = 'OSP01';
        END IF;
      END IF;
      RETURN NEW;
    END $$`.execute(db)
  await sql`
    CREATE TRIGGER keep_seat BEFORE INSERT OR UPDATE ON ostler.seat FOR EACH ROW
    EXECUTE FUNCTION ostler.keep_seat()`.execute(db)
}

/** The sentence that users read; null: none. */
async function maintenance(db: Kysely<unknown>): Promise<void> {
  for (const table of ['vm', 'users', 'flavour', 'host', 'pool'])
    await sql`
      ALTER TABLE ${sql.table(`ostler.${table}`)}
        ADD COLUMN maintenance text CHECK (length(maintenance) BETWEEN 1 AND 500)`.execute(db)
}

/** Images that are to be made of what desktops have become. The api asks; hkd alone says how it went. */
async function captures(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ostler.capture (
      id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      vm_id int NOT NULL REFERENCES ostler.vm ON DELETE CASCADE,
      flavour_id int NOT NULL REFERENCES ostler.flavour ON DELETE CASCADE,
      version text,
      tag text,
      by text NOT NULL CHECK (length(by) BETWEEN 1 AND 256),
      asked_at timestamptz NOT NULL DEFAULT now(),
      host_id int REFERENCES ostler.host,
      stage text NOT NULL DEFAULT 'waiting until the desktop rests',
      ended_at timestamptz,
      image_id int REFERENCES ostler.disk_image ON DELETE SET NULL,
      fault text
    )`.execute(db)
  await sql`CREATE INDEX ON ostler.capture (vm_id) WHERE ended_at IS NULL`.execute(db)
  await sql`GRANT SELECT, INSERT (vm_id, flavour_id, version, tag, by) ON ostler.capture TO ostler_api`.execute(
    db,
  )
}

/** What is told of a pool's desktop names who has it. */
async function notices(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE OR REPLACE FUNCTION ostler.tell(text, int, text, text, text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
      INSERT INTO ostler.notice (kind, vm_id, vm, login, said, code, cure)
      SELECT $1, vm.id, vm.name, coalesce(users.login, ''), $3, $4, $5
      FROM ostler.vm LEFT JOIN ostler.users ON users.id = coalesce(vm.assigned_user_id, vm.user_id) WHERE vm.id = $2;
      SELECT pg_notify('ostler_notice', '')
    $$`.execute(db)
}

async function grants(db: Kysely<unknown>): Promise<void> {
  await sql`GRANT SELECT ON ostler.pool, ostler.pool_claim TO ostler_l7r, ostler_api`.execute(db)
  // A door asks for a desktop, goes on asking, and gives up; only hkd says which one it is.
  await sql`GRANT INSERT (pool_id, user_id, expires_at), UPDATE (expires_at) ON ostler.pool_claim TO ostler_l7r`.execute(
    db,
  )
  await sql`GRANT SELECT ON ostler.vm_remains, ostler.vm_reset TO ostler_api`.execute(db)
  await sql`GRANT INSERT, UPDATE, DELETE ON ostler.pool TO ostler_api`.execute(db)
  await sql`GRANT INSERT (pool_id), UPDATE (maintenance, assigned_user_id, assigned_at), DELETE
    ON ostler.vm TO ostler_api`.execute(db)
  for (const table of ['users', 'flavour', 'host', 'pool'])
    await sql`GRANT UPDATE (maintenance) ON ${sql.table(`ostler.${table}`)} TO ostler_api`.execute(db)
  await sql`GRANT DELETE ON ostler.users TO ostler_api`.execute(db)
}
