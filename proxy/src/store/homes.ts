import { sql } from 'kysely'
import { type Home, homeKind, usualHomePath } from '../model/home.ts'
import type { HypervisorKind } from '../model/hypervisor-kind.ts'
import type { Db } from './open.ts'

/** What a start must know about the home of its desktop. */
export interface HomeInWay {
  /** Why the desktop cannot start with it now. */
  readonly refusal: string | undefined
  /** The only node that has it. */
  readonly hostId: number | null
}

/** One of several that were looked at. */
export interface LookedAtHome extends HomeInWay {
  /** Whose it is. */
  readonly vmId: number
  /** Its desktop's. */
  readonly name: string
  /** The same for desktops that would share a home. */
  readonly key: string
}

/** Looks at the home of a desktop, and keeps others from changing its row until the transaction ends. */
export async function lookAtHome(tx: Db, vmId: number): Promise<HomeInWay> {
  const home = (await lookAtHomes(tx, [vmId])).get(vmId)
  return { refusal: home?.refusal, hostId: home?.hostId ?? null }
}

/**
 * Looks at the homes of desktops, and keeps others from changing their rows until the transaction ends.
 * @returns by desktop, also where a home has no row yet, or is a pool's.
 */
export async function lookAtHomes(
  tx: Db,
  vmIds: readonly number[],
): Promise<ReadonlyMap<number, LookedAtHome>> {
  const { rows } = await sql<{
    vmId: number
    own: string
    key: string
    hostId: number | null
    moving: boolean
    writer: number | null
    name: string | null
    state: string | null
  }>`
    WITH held AS (
      SELECT home.* FROM ostler.home JOIN ostler.vm USING (user_id, flavour_id)
      WHERE vm.id = ANY (${[...vmIds]}) AND vm.pool_id IS NULL AND home.trashed_at IS NULL
      ORDER BY home.id FOR UPDATE OF home)
    SELECT vm.id AS "vmId", vm.name AS own, held.host_id AS "hostId", held.moving_to IS NOT NULL AS moving, held.writer_vm AS writer,
      CASE WHEN vm.pool_id IS NULL THEN vm.user_id || '/' || vm.flavour_id ELSE '@' || vm.id END AS key,
      other.name, other.state
    FROM ostler.vm LEFT JOIN (SELECT DISTINCT ON (id) * FROM held) AS held
        ON vm.pool_id IS NULL AND held.user_id = vm.user_id AND held.flavour_id = vm.flavour_id
      LEFT JOIN ostler.vm AS other ON other.id = held.writer_vm
    WHERE vm.id = ANY (${[...vmIds]})`.execute(tx)
  return new Map(
    rows.map(({ vmId, own, key, hostId, moving, writer, name, state }) => {
      const refusal = moving
        ? 'its home is being brought back from the trash: try again'
        : writer === null || writer === vmId
          ? undefined
          : `desktop ${name ?? writer} has the same home, and is ${state ?? 'gone'}`
      return [vmId, { vmId, name: own, key, hostId, refusal }] as const
    }),
  )
}

/** The other desktop that has the home of this one now, by name; without locking anything. */
export async function homeTakenBy(db: Db, vmId: number): Promise<string | undefined> {
  const { rows } = await sql<{ name: string }>`
    SELECT other.name FROM ostler.vm JOIN ostler.home USING (user_id, flavour_id)
      JOIN ostler.vm AS other ON other.id = home.writer_vm
    WHERE vm.id = ${vmId} AND vm.pool_id IS NULL AND home.trashed_at IS NULL AND other.id <> vm.id`.execute(
    db,
  )
  return rows[0]?.name
}

/**
 * Gives the home of a desktop's user and flavour to one boot of it, if nobody else writes to it; where there is none yet, a row says
 * which one will be made. It is the boot's until the desktop is at rest. A pool's desktop has one of its own (model/home.ts).
 *
 * @returns whether the boot has it.
 */
export async function claimHome(
  tx: Db,
  boot: { vmId: number; epoch: number; hostId: number; hypervisor: HypervisorKind },
): Promise<boolean> {
  const { vmId, epoch, hostId } = boot
  if (await isPooled(tx, vmId)) return true
  const { rows } = await sql<{ id: number }>`
    UPDATE ostler.home SET writer_vm = ${vmId}, writer_epoch = ${epoch}, writer_host = ${hostId},
      writer_since = clock_timestamp(), trouble = NULL,
      limit_mb = ${limitOfClaimed}
    FROM ostler.vm JOIN ostler.flavour ON flavour.id = flavour_id
    WHERE vm.id = ${vmId} AND home.id = ${await inService(tx, vmId, boot.hypervisor)}
      AND home.trashed_at IS NULL AND home.moving_to IS NULL
      AND (home.writer_vm IS NULL OR home.writer_vm = vm.id)
      AND (home.host_id IS NULL OR home.host_id = ${hostId}) RETURNING home.id`.execute(tx)
  return rows.length > 0
}

/**
 * `claimHome` for many boots at once, of which it takes those whose home has a row and is not another one's.
 * @returns numbers of the desktops that have what they need: theirs, or a pool's own.
 */
export async function claimMadeHomes(
  tx: Db,
  boots: readonly { vmId: number; epoch: number; hostId: number }[],
): Promise<ReadonlySet<number>> {
  if (boots.length === 0) return new Set()
  const { rows } = await sql<{ vmId: number }>`
    WITH boot AS (
      SELECT * FROM json_to_recordset(${JSON.stringify(boots)}::json) AS boot ("vmId" int, epoch int, "hostId" int)),
    claimed AS (
      UPDATE ostler.home SET writer_vm = vm.id, writer_epoch = boot.epoch, writer_host = boot."hostId",
        writer_since = clock_timestamp(), trouble = NULL, limit_mb = ${limitOfClaimed}
      FROM boot JOIN ostler.vm ON vm.id = boot."vmId" JOIN ostler.flavour ON flavour.id = vm.flavour_id
      WHERE vm.pool_id IS NULL AND home.user_id = vm.user_id AND home.flavour_id = vm.flavour_id
        AND home.trashed_at IS NULL AND home.moving_to IS NULL
        AND (home.writer_vm IS NULL OR home.writer_vm = vm.id)
        AND (home.host_id IS NULL OR home.host_id = boot."hostId") RETURNING vm.id)
    SELECT id AS "vmId" FROM claimed
    UNION ALL SELECT vm.id FROM boot JOIN ostler.vm ON vm.id = "vmId" WHERE pool_id IS NOT NULL`.execute(tx)
  return new Set(rows.map(({ vmId }) => vmId))
}

/** A home grows with its flavour. Needs `ostler.home` and its `flavour`. */
const limitOfClaimed = sql`CASE WHEN home.kind = 'directory' THEN 0
  WHEN home.kind = 'image' THEN greatest(home.limit_mb, flavour.home_mb)
  WHEN home.made_at IS NULL THEN flavour.home_mb ELSE home.limit_mb END`

async function isPooled(tx: Db, vmId: number): Promise<boolean> {
  const pooled = tx.selectFrom('vm').select('id').where('id', '=', vmId).where('pool_id', 'is not', null)
  return (await pooled.executeTakeFirst()) !== undefined
}

/** The home in service of a desktop's user and flavour; a row is added where there is none. */
async function inService(tx: Db, vmId: number, hypervisor: HypervisorKind): Promise<number | undefined> {
  const find = async (): Promise<number | undefined> =>
    (
      await sql<{ id: number }>`
        SELECT home.id FROM ostler.home JOIN ostler.vm USING (user_id, flavour_id)
        WHERE vm.id = ${vmId} AND home.trashed_at IS NULL`.execute(tx)
    ).rows[0]?.id
  const found = await find()
  if (found !== undefined) return found
  const owner = await ownerOf(tx, vmId)
  const kind = homeKind(hypervisor, owner.limitMb)
  await addHome(tx, { ...owner, kind, path: usualHomePath(owner, kind) })
  return await find() // another start may have added it first
}

async function ownerOf(tx: Db, vmId: number) {
  return await tx
    .selectFrom('vm')
    .innerJoin('users', 'users.id', 'vm.user_id')
    .innerJoin('tenant', 'tenant.id', 'users.tenant_id')
    .innerJoin('flavour', 'flavour.id', 'vm.flavour_id')
    .select([
      'vm.user_id as userId',
      'vm.flavour_id as flavourId',
      'users.login',
      'users.tenant_id as tenantId',
    ])
    .select(['tenant.name as tenant', 'flavour.name as flavour', 'flavour.home_mb as limitMb'])
    .where('vm.id', '=', vmId)
    .executeTakeFirstOrThrow()
}

/** Adds the row of a home that is yet to be made. Where its path is another home's, it gets one of its own. */
async function addHome(
  tx: Db,
  home: Awaited<ReturnType<typeof ownerOf>> & { kind: Home['kind']; path: string },
): Promise<void> {
  const { userId, flavourId, login, tenant, flavour, kind, path, limitMb } = home
  await sql`
    INSERT INTO ostler.home (id, user_id, flavour_id, login, tenant, flavour, kind, path, limit_mb)
    SELECT next.id, ${userId}, ${flavourId}, ${login}, ${tenant}, ${flavour}, ${kind}, ${freePath(path, sql`next.id`)},
      ${limitMb}
    FROM (SELECT nextval(pg_get_serial_sequence('ostler.home', 'id'))::int AS id) AS next
    ON CONFLICT DO NOTHING`.execute(tx)
}

/** A path, or the same with the home's number behind it where another home lies there or comes there. */
export function freePath(path: string, id: ReturnType<typeof sql>) {
  return sql<string>`CASE WHEN EXISTS (SELECT FROM ostler.home AS other WHERE ${path}::text IN (other.path, other.moving_to))
    THEN ${path}::text || '.' || ${id} ELSE ${path}::text END`
}

/** Takes the home back from a desktop that is at rest. */
export async function freeHome(tx: Db, vmId: number): Promise<void> {
  await tx
    .updateTable('home')
    .set({ writer_vm: null, writer_epoch: null, writer_host: null, writer_since: null })
    .where('writer_vm', '=', vmId)
    .execute()
}

/**
 * Writes down that a home has files from now on: it is never made again in silence.
 * @param hostId the only node that has them; null: all have.
 */
export async function markHomeMade(db: Db, id: number, hostId: number | null): Promise<void> {
  await db
    .updateTable('home')
    .set({ made_at: sql<Date>`now()`, host_id: hostId })
    .where('id', '=', id)
    .where('made_at', 'is', null)
    .execute()
}

/** The home that a desktop writes to, as a column of `planVm`. */
export const homeOfVm = sql<Home | null>`(
  SELECT json_build_object('id', home.id, 'path', home.path, 'kind', home.kind, 'limitMb', home.limit_mb,
    'isMade', home.made_at IS NOT NULL, 'epoch', home.writer_epoch)
  FROM ostler.home WHERE home.writer_vm = vm.id)`
