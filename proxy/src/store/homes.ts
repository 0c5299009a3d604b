import { sql } from 'kysely'
import { type Home, homeKind, usualHomePath } from '../model/home.ts'
import type { HypervisorKind } from '../model/hypervisor-kind.ts'
import type { Db } from './open.ts'

/** What a start must know about the home of its desktop. */
interface HomeInWay {
  /** Why the desktop cannot start with it now. */
  readonly refusal: string | undefined
  /** The only node that has it. */
  readonly hostId: number | null
}

/** Looks at the home of a desktop, and keeps others from changing its row until the transaction ends. */
export async function lookAtHome(tx: Db, vmId: number): Promise<HomeInWay> {
  const { rows } = await sql<{ hostId: number | null; moving: boolean; writer: number | null }>`
    SELECT home.host_id AS "hostId", home.moving_to IS NOT NULL AS moving, home.writer_vm AS writer
    FROM ostler.home JOIN ostler.vm USING (user_id, flavour_id)
    WHERE vm.id = ${vmId} AND home.trashed_at IS NULL FOR UPDATE OF home`.execute(tx)
  const [home] = rows
  if (home === undefined) return { refusal: undefined, hostId: null }
  const { hostId, writer } = home
  if (home.moving) return { hostId, refusal: 'its home is being brought back from the trash: try again' }
  if (writer === null || writer === vmId) return { hostId, refusal: undefined }
  const other = await tx
    .selectFrom('vm')
    .select(['name', 'state'])
    .where('id', '=', writer)
    .executeTakeFirst()
  return {
    hostId,
    refusal: `desktop ${other?.name ?? writer} has the same home, and is ${other?.state ?? 'gone'}`,
  }
}

/** The other desktop that has the home of this one now, by name; without locking anything. */
export async function homeTakenBy(db: Db, vmId: number): Promise<string | undefined> {
  const { rows } = await sql<{ name: string }>`
    SELECT other.name FROM ostler.vm JOIN ostler.home USING (user_id, flavour_id)
      JOIN ostler.vm AS other ON other.id = home.writer_vm
    WHERE vm.id = ${vmId} AND home.trashed_at IS NULL AND other.id <> vm.id`.execute(db)
  return rows[0]?.name
}

/**
 * Gives the home of a desktop's user and flavour to one boot of it, if nobody else writes to it; where there is none yet, a row says
 * which one will be made. It is the boot's until the desktop is at rest.
 *
 * @returns whether the boot has it.
 */
export async function claimHome(
  tx: Db,
  boot: { vmId: number; epoch: number; hostId: number; hypervisor: HypervisorKind },
): Promise<boolean> {
  const { vmId, epoch, hostId } = boot
  const { rows } = await sql<{ id: number }>`
    UPDATE ostler.home SET writer_vm = ${vmId}, writer_epoch = ${epoch}, writer_host = ${hostId},
      writer_since = clock_timestamp(),
      limit_mb = CASE WHEN home.kind = 'directory' THEN 0
        WHEN home.kind = 'image' THEN greatest(home.limit_mb, flavour.home_mb)
        WHEN home.made_at IS NULL THEN flavour.home_mb ELSE home.limit_mb END
    FROM ostler.vm JOIN ostler.flavour ON flavour.id = flavour_id
    WHERE vm.id = ${vmId} AND home.id = ${await inService(tx, vmId, boot.hypervisor)}
      AND home.trashed_at IS NULL AND home.moving_to IS NULL
      AND (home.writer_vm IS NULL OR home.writer_vm = vm.id)
      AND (home.host_id IS NULL OR home.host_id = ${hostId}) RETURNING home.id`.execute(tx)
  return rows.length > 0
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
