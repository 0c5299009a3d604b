import { type Kysely, sql } from 'kysely'
import { edges, VM_STATES } from '../../model/vm-machine.ts'

/** Tables of the first desktop. The states and edges are the life-cycle table's own: a foreign key checks every move. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ostler.host (
      id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      name text NOT NULL UNIQUE,
      memory_mb int NOT NULL,
      seen_at timestamptz NOT NULL DEFAULT now()
    )`.execute(db)
  await sql`
    CREATE TABLE ostler.users (
      id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      login text NOT NULL UNIQUE,
      password text NOT NULL,
      blocked boolean NOT NULL DEFAULT false
    )`.execute(db)
  await sql`
    CREATE TABLE ostler.flavour (
      id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      name text NOT NULL UNIQUE,
      memory_mb int NOT NULL CHECK (memory_mb >= 64),
      cpu_percent int NOT NULL CHECK (cpu_percent >= 5)
    )`.execute(db)
  await sql`
    CREATE TABLE ostler.disk_image (
      id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      flavour_id int NOT NULL REFERENCES ostler.flavour,
      name text NOT NULL UNIQUE,
      kind text NOT NULL CHECK (kind IN ('instant', 'directory', 'tarball')),
      path text NOT NULL CHECK (path ~ '^/[A-Za-z0-9_./+-]*$')
    )`.execute(db)
  await sql`
    CREATE TABLE ostler.vm_edge (prior text NOT NULL, state text NOT NULL, PRIMARY KEY (prior, state))`.execute(
    db,
  )
  for (const [prior, state] of vmEdges())
    await sql`INSERT INTO ostler.vm_edge VALUES (${prior}, ${state})`.execute(db)
  await sql`
    CREATE TABLE ostler.vm (
      id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      name text NOT NULL UNIQUE,
      user_id int NOT NULL REFERENCES ostler.users,
      flavour_id int NOT NULL REFERENCES ostler.flavour,
      address text NOT NULL UNIQUE,
      blocked boolean NOT NULL DEFAULT false,
      state text NOT NULL DEFAULT 'stopped',
      prior text NOT NULL DEFAULT 'stopped',
      state_since timestamptz NOT NULL DEFAULT now(),
      epoch int NOT NULL DEFAULT 0,
      host_id int REFERENCES ostler.host,
      fault text,
      FOREIGN KEY (prior, state) REFERENCES ostler.vm_edge
    )`.execute(db)
  await sql`
    CREATE TABLE ostler.vm_log (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      vm_id int NOT NULL REFERENCES ostler.vm ON DELETE CASCADE,
      epoch int NOT NULL,
      event text NOT NULL,
      prior text NOT NULL,
      state text NOT NULL,
      fault text,
      at timestamptz NOT NULL DEFAULT now()
    )`.execute(db)
  await sql`CREATE INDEX ON ostler.vm_log (vm_id, id)`.execute(db)
  await sql`
    CREATE TABLE ostler.wish (
      number int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      vm_id int NOT NULL REFERENCES ostler.vm ON DELETE CASCADE,
      kind text NOT NULL,
      by text NOT NULL,
      reason text NOT NULL,
      at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz,
      closed_at timestamptz,
      outcome text
    )`.execute(db)
  await sql`CREATE INDEX ON ostler.wish (vm_id) WHERE closed_at IS NULL`.execute(db)
  await sql`
    CREATE TABLE ostler.seat (
      vm_id int PRIMARY KEY REFERENCES ostler.vm ON DELETE CASCADE,
      epoch int NOT NULL DEFAULT 0,
      state text NOT NULL CHECK (state IN ('disconnected', 'connecting', 'connected')),
      door text CHECK (door IS NOT NULL OR state = 'disconnected'),
      label text NOT NULL,
      since timestamptz NOT NULL DEFAULT now(),
      lease_until timestamptz NOT NULL,
      ended_by text,
      displaced text
    )`.execute(db)
  await sql`
    CREATE TABLE ostler.timeline (
      vm_id int NOT NULL REFERENCES ostler.vm ON DELETE CASCADE,
      epoch int NOT NULL,
      step text NOT NULL,
      at timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (vm_id, epoch, step)
    )`.execute(db)
  await sql`
    CREATE TABLE ostler.session_hook (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      vm_id int NOT NULL REFERENCES ostler.vm ON DELETE CASCADE,
      epoch int NOT NULL,
      session int NOT NULL,
      at timestamptz NOT NULL DEFAULT clock_timestamp(),
      hook text NOT NULL,
      word text NOT NULL,
      exit int,
      ms int NOT NULL,
      said text NOT NULL
    )`.execute(db)
  await sql`CREATE INDEX ON ostler.session_hook (vm_id, id)`.execute(db)
  await sql`
    CREATE TABLE ostler.authority (
      id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      certificate text NOT NULL,
      sealed_key text NOT NULL
    )`.execute(db)
  await grants(db)
}

/** (prior, state) pairs that may stand in a row: every edge, and each state with itself for a row that is new. */
function vmEdges(): [string, string][] {
  const moves = edges().map(({ from, to }): [string, string] => [from, to])
  const all = [...moves, ...VM_STATES.map((state): [string, string] => [state, state])]
  return [...new Map(all.map((pair) => [pair.join(), pair])).values()]
}

/** The door writes wishes, seats and its timeline steps; it reads no key and writes no fact. */
async function grants(db: Kysely<unknown>): Promise<void> {
  await sql`GRANT USAGE ON SCHEMA ostler TO ostler_l7r, ostler_api`.execute(db)
  await sql`GRANT SELECT ON ostler.host, ostler.users, ostler.flavour, ostler.vm, ostler.wish, ostler.seat,
    ostler.timeline TO ostler_l7r`.execute(db)
  await sql`GRANT INSERT ON ostler.wish, ostler.timeline TO ostler_l7r`.execute(db)
  await sql`GRANT INSERT, UPDATE ON ostler.seat TO ostler_l7r`.execute(db)
  await sql`GRANT SELECT ON ostler.host, ostler.users, ostler.flavour, ostler.disk_image, ostler.vm, ostler.vm_log,
    ostler.wish, ostler.seat, ostler.timeline, ostler.session_hook TO ostler_api`.execute(db)
  await sql`GRANT INSERT ON ostler.users, ostler.flavour, ostler.disk_image, ostler.wish TO ostler_api`.execute(
    db,
  )
  await sql`GRANT UPDATE (epoch, state, door, ended_by, lease_until) ON ostler.seat TO ostler_api`.execute(db)
  await sql`GRANT INSERT (name, user_id, flavour_id, address) ON ostler.vm TO ostler_api`.execute(db)
}
