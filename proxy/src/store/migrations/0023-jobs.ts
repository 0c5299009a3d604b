import { type Kysely, sql } from 'kysely'

/** Jobs, of which roll-outs of disk images are the first kind; groups of users; whose a flavour is; quotas. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await jobs(db)
  await rollOuts(db)
  await groups(db)
  await ownership(db)
}

/** The api previews and asks; hkd alone does, and says how it went. The log is only added to. */
async function jobs(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ostler.job (
      id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      kind text NOT NULL CHECK (kind IN ('roll-out')),
      by text NOT NULL CHECK (length(by) BETWEEN 1 AND 256),
      state text NOT NULL DEFAULT 'previewed' CHECK (state IN
        ('previewed', 'running', 'paused', 'stopping', 'done', 'failed', 'rolled back')),
      progress text NOT NULL DEFAULT '',
      reason text NOT NULL DEFAULT '',
      made_at timestamptz NOT NULL DEFAULT now(),
      started_at timestamptz,
      ended_at timestamptz,
      host_id int REFERENCES ostler.host ON DELETE SET NULL,
      lease_until timestamptz
    )`.execute(db)
  await sql`CREATE INDEX ON ostler.job (id) WHERE ended_at IS NULL`.execute(db)
  await sql`
    CREATE TABLE ostler.job_item (
      job_id int NOT NULL REFERENCES ostler.job ON DELETE CASCADE,
      vm_id int NOT NULL REFERENCES ostler.vm ON DELETE CASCADE,
      wave int NOT NULL CHECK (wave >= 1),
      state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'new', 'old', 'failed', 'left')),
      was_up boolean NOT NULL DEFAULT false,
      tried boolean NOT NULL DEFAULT false,
      fault text,
      PRIMARY KEY (job_id, vm_id)
    )`.execute(db)
  await sql`CREATE INDEX ON ostler.job_item (vm_id)`.execute(db)
  await sql`
    CREATE TABLE ostler.job_log (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      job_id int NOT NULL REFERENCES ostler.job ON DELETE CASCADE,
      at timestamptz NOT NULL DEFAULT clock_timestamp(),
      text text NOT NULL
    )`.execute(db)
  await sql`CREATE INDEX ON ostler.job_log (job_id, id)`.execute(db)
  await sql`GRANT SELECT, INSERT (kind, by, progress), UPDATE (state, reason, started_at)
    ON ostler.job TO ostler_api`.execute(db)
  await sql`GRANT SELECT, INSERT (job_id, vm_id, wave) ON ostler.job_item TO ostler_api`.execute(db)
  await sql`GRANT SELECT, INSERT (job_id, text) ON ostler.job_log TO ostler_api`.execute(db)
}

/** A pinned desktop starts that image instead of what its tag stands for. The log says what each boot ran. */
async function rollOuts(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ostler.vm ADD COLUMN image_pin int REFERENCES ostler.disk_image ON DELETE SET NULL`.execute(
    db,
  )
  await sql`ALTER TABLE ostler.vm_log ADD COLUMN disk_image_id int`.execute(db)
  await sql`
    CREATE TABLE ostler.roll_out (
      job_id int PRIMARY KEY REFERENCES ostler.job ON DELETE CASCADE,
      flavour_id int NOT NULL REFERENCES ostler.flavour ON DELETE CASCADE,
      tag text NOT NULL,
      image_id int REFERENCES ostler.disk_image ON DELETE SET NULL,
      old_image_id int REFERENCES ostler.disk_image ON DELETE SET NULL,
      token text NOT NULL,
      settings jsonb NOT NULL,
      waves int NOT NULL CHECK (waves >= 1),
      wave int NOT NULL DEFAULT 0,
      sent_at timestamptz,
      back_at timestamptz
    )`.execute(db)
  await sql`CREATE INDEX ON ostler.roll_out (flavour_id, tag)`.execute(db)
  await sql`GRANT SELECT, INSERT (job_id, flavour_id, tag, image_id, old_image_id, token, settings, waves)
    ON ostler.roll_out TO ostler_api`.execute(db)
  await sql`GRANT UPDATE (image_pin) ON ostler.vm TO ostler_api`.execute(db)
}

/** Groups that are kept here, beside those that a directory or a provider names. */
async function groups(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ostler.user_group (
      id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      tenant_id int NOT NULL REFERENCES ostler.tenant ON DELETE CASCADE CHECK (tenant_id > 0),
      name text NOT NULL CHECK (length(name) BETWEEN 1 AND 256),
      CONSTRAINT user_group_name UNIQUE (tenant_id, name),
      CONSTRAINT user_group_tenant UNIQUE (tenant_id, id)
    )`.execute(db)
  await sql`ALTER TABLE ostler.users ADD CONSTRAINT users_tenant UNIQUE (tenant_id, id)`.execute(db)
  // The tenant stands in the row, so that no group can have a member of another one.
  await sql`
    CREATE TABLE ostler.group_member (
      tenant_id int NOT NULL,
      group_id int NOT NULL,
      user_id int NOT NULL,
      PRIMARY KEY (group_id, user_id),
      FOREIGN KEY (tenant_id, group_id) REFERENCES ostler.user_group (tenant_id, id) ON DELETE CASCADE,
      FOREIGN KEY (tenant_id, user_id) REFERENCES ostler.users (tenant_id, id) ON DELETE CASCADE
    )`.execute(db)
  await sql`CREATE INDEX ON ostler.group_member (user_id)`.execute(db)
  await sql`GRANT SELECT ON ostler.user_group, ostler.group_member TO ostler_l7r`.execute(db)
  await sql`GRANT SELECT, INSERT, DELETE ON ostler.user_group, ostler.group_member TO ostler_api`.execute(db)
}

/** A flavour without a tenant is everybody's; without a number nothing is limited. */
async function ownership(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ostler.flavour
      ADD COLUMN tenant_id int REFERENCES ostler.tenant CHECK (tenant_id > 0),
      ADD COLUMN max_desktops int CHECK (max_desktops >= 0),
      ADD COLUMN max_per_user int CHECK (max_per_user >= 0),
      ADD COLUMN net_in_kbit int CHECK (net_in_kbit >= 64),
      ADD COLUMN net_out_kbit int CHECK (net_out_kbit >= 64)`.execute(db)
  await sql`GRANT UPDATE (max_desktops, max_per_user, net_in_kbit, net_out_kbit) ON ostler.flavour TO ostler_api`.execute(
    db,
  )
}
