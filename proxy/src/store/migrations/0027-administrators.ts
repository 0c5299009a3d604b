import { type Kysely, sql } from 'kysely'

/** Administrators, their tokens, what they did, and hints for those who watch lists. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ostler.administrator (
      id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      name text NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
      role text NOT NULL CHECK (role IN ('superadmin', 'tenant-admin', 'operator', 'support', 'auditor')),
      tenant_id int REFERENCES ostler.tenant ON DELETE CASCADE CHECK (tenant_id > 0),
      blocked boolean NOT NULL DEFAULT false,
      made_at timestamptz NOT NULL DEFAULT now(),
      CHECK (role <> 'tenant-admin' OR tenant_id IS NOT NULL),
      CHECK (role <> 'superadmin' OR tenant_id IS NULL)
    )`.execute(db)
  await sql`CREATE UNIQUE INDEX administrator_name ON ostler.administrator (lower(name))`.execute(db)
  await sql`CREATE INDEX ON ostler.administrator (tenant_id)`.execute(db)
  await tokens(db)
  await audit(db)
  await hints(db)
}

/** Digests alone: who reads the table, or a backup, cannot come in. An invitation opens nothing but a token. */
async function tokens(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ostler.administrator_token (
      id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      administrator_id int NOT NULL REFERENCES ostler.administrator ON DELETE CASCADE,
      kind text NOT NULL CHECK (kind IN ('token', 'invitation')),
      name text NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
      digest bytea NOT NULL UNIQUE CHECK (length(digest) = 32),
      scope text[],
      made_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL,
      used_at timestamptz,
      used_from text
    )`.execute(db)
  await sql`CREATE INDEX ON ostler.administrator_token (administrator_id)`.execute(db)
  await sql`GRANT SELECT, INSERT (name, role, tenant_id), UPDATE (blocked), DELETE
    ON ostler.administrator TO ostler_api`.execute(db)
  await sql`GRANT SELECT, INSERT (administrator_id, kind, name, digest, scope, expires_at), UPDATE (used_at, used_from), DELETE
    ON ostler.administrator_token TO ostler_api`.execute(db)
}

/** It is only added to: the api can neither change nor remove a line. Names are kept as words, since their rows may go. */
async function audit(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ostler.audit (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      at timestamptz NOT NULL DEFAULT clock_timestamp(),
      request text NOT NULL CHECK (length(request) <= 64),
      by text NOT NULL,
      role text NOT NULL,
      tenant_id int,
      address text NOT NULL,
      action text NOT NULL,
      object text NOT NULL,
      status int NOT NULL,
      said jsonb,
      before jsonb,
      after jsonb,
      fault text
    )`.execute(db)
  await sql`CREATE INDEX ON ostler.audit (tenant_id, id)`.execute(db)
  await sql`GRANT SELECT, INSERT (request, by, role, tenant_id, address, action, object, status, said, before, after, fault)
    ON ostler.audit TO ostler_api`.execute(db)
}

/** Tables of which no hint told so far. A state of a desktop is told where it is written. */
async function hints(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE FUNCTION ostler.tell_administrators() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_notify('ostler_admin', TG_TABLE_NAME);
      RETURN NULL;
    END $$`.execute(db)
  const whole = ['tenant', 'users', 'flavour', 'disk_image', 'image_tag', 'pool', 'home', 'user_group']
  for (const table of [...whole, 'group_member', 'policy_rule', 'administrator', 'notice', 'backup'])
    await sql`
      CREATE TRIGGER tell_administrators AFTER INSERT OR UPDATE OR DELETE ON ${sql.table(`ostler.${table}`)}
        FOR EACH STATEMENT EXECUTE FUNCTION ostler.tell_administrators()`.execute(db)
  await sql`
    CREATE TRIGGER tell_administrators AFTER INSERT OR DELETE
      OR UPDATE OF di_tag, expire_soft, expire_hard, blocked, maintenance ON ostler.vm
      FOR EACH STATEMENT EXECUTE FUNCTION ostler.tell_administrators()`.execute(db)
}
