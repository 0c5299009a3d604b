import { Fault } from '@ostler/contract/fault.ts'
import { sql } from 'kysely'
import type { DiskImageKind } from '../model/disk-image.ts'
import { isRunnable } from '../model/hypervisor-kind.ts'
import { AT_REST } from '../model/start-queue.ts'
import { addNamed } from './added.ts'
import { requireNoRollOut } from './open-roll-out.ts'
import type { Db } from './open.ts'
import { transact } from './transact.ts'

/** A disk image to be added to a flavour. */
export interface NewImage {
  readonly flavourId: number
  readonly kind: DiskImageKind
  /** Absolute: it stays where it is. Otherwise hkd brings it from the staging folder. */
  readonly path: string
  /** What its file must hash to. */
  readonly sha256?: string | undefined
  /** Both from the day and the flavour when missing. */
  readonly name?: string | undefined
  readonly version?: string | undefined
}

/** When desktops that run an older image are asked to end, and when they are ended. */
export interface Expiry {
  readonly soft?: Date | undefined
  readonly hard?: Date | undefined
}

/** The tag that always is on the newest image. */
const HEAD = 'head'
/** The tag that desktops have unless told otherwise. */
const DEFAULT = 'default'

/**
 * Adds an image, tags it with its version and `head`, and with `default` if the flavour has none (C-126).
 *
 * @param expiry for desktops that run now and would get this image at their next start.
 * @returns its number, and how many desktops expire.
 * @throws Fault `object.exists`, `rollOut.open`, or `image.unusable` for a kind that its desktops cannot run.
 */
export async function addImage(
  db: Db,
  image: NewImage,
  expiry: Expiry,
): Promise<{ id: number; version: string; expiring: number }> {
  return await transact(db, async (tx) => {
    await lockFlavour(tx, image.flavourId)
    const version = image.version ?? (await nextVersion(tx, image.flavourId))
    const flavour = await readFlavour(tx, image.flavourId)
    const name = image.name ?? `${flavour.name}-${version}`
    if (!isRunnable(image.kind, flavour.hypervisor)) {
      const by = flavour.hypervisor === null ? 'name no hypervisor' : `run by ${flavour.hypervisor}`
      const reason = `virtual machines (hypervisor=kvm) run qcow2 and nothing else does; those of ${flavour.name} ${by}`
      throw new Fault('image.unusable', { image: name, reason })
    }
    const sha256 = image.sha256 === undefined ? {} : { sha256: image.sha256 }
    const row = { flavour_id: image.flavourId, kind: image.kind, path: image.path, name, version, ...sha256 }
    const id = await addNamed('di', name, () =>
      tx.insertInto('disk_image').values(row).returning('id').executeTakeFirstOrThrow(),
    )
    const taken = await tx
      .selectFrom('image_tag')
      .select('tag')
      .where('flavour_id', '=', image.flavourId)
      .execute()
    const has = (tag: string): boolean => taken.some((each) => each.tag === tag)
    if (has(version)) throw new Fault('object.exists', { kind: 'tag', name: version })
    await putTag(tx, image.flavourId, version, id, true)
    let expiring = 0
    for (const tag of [HEAD, ...(has(DEFAULT) ? [] : [DEFAULT])]) {
      await requireNoRollOut(tx, image.flavourId, tag)
      await putTag(tx, image.flavourId, tag, id, false)
      expiring += await expireOlder(tx, image.flavourId, tag, id, expiry)
    }
    await sql`SELECT pg_notify('ostler_storage', ${String(id)})`.execute(tx)
    return { id, version, expiring }
  })
}

/**
 * Puts a tag on an image; another image of the flavour that had it loses it.
 *
 * @returns how many desktops expire, since they run another image than the tag now stands for.
 * @throws Fault `image.tag` for a version, which is a tag that stays where it is, `object.unknown`, `rollOut.open`.
 */
export async function tagImage(
  db: Db,
  id: number,
  tag: string,
  expiry: Expiry,
): Promise<{ expiring: number }> {
  return await transact(db, async (tx) => {
    const flavourId = await flavourOf(tx, id)
    await lockFlavour(tx, flavourId)
    const old = await findTag(tx, flavourId, tag)
    if (old?.fixed === true && old.disk_image_id !== id)
      throw new Fault('image.tag', { tag, reason: 'it is the version of another image, and stays there' })
    if (old?.disk_image_id === id) return { expiring: 0 }
    await requireNoRollOut(tx, flavourId, tag)
    await putTag(tx, flavourId, tag, id, false)
    return { expiring: await expireOlder(tx, flavourId, tag, id, expiry) }
  })
}

/**
 * Takes a tag off an image.
 * @throws Fault `image.tag` for a version, for a tag that desktops have, and for one that is not on this image.
 */
export async function untagImage(db: Db, id: number, tag: string): Promise<void> {
  await transact(db, async (tx) => {
    const flavourId = await flavourOf(tx, id)
    await lockFlavour(tx, flavourId)
    const old = await findTag(tx, flavourId, tag)
    if (old?.disk_image_id !== id) throw new Fault('image.tag', { tag, reason: 'it is not on this image' })
    if (old.fixed) throw new Fault('image.tag', { tag, reason: "it is the image's version" })
    await requireNoRollOut(tx, flavourId, tag)
    const { count } = await tx
      .selectFrom('vm')
      .select((eb) => eb.fn.countAll<string>().as('count'))
      .where('flavour_id', '=', flavourId)
      .where('di_tag', '=', tag)
      .executeTakeFirstOrThrow()
    if (Number(count) > 0)
      throw new Fault('image.tag', { tag, reason: `${count} desktops start by it and would not start` })
    await tx.deleteFrom('image_tag').where('flavour_id', '=', flavourId).where('tag', '=', tag).execute()
  })
}

/**
 * Gives a desktop another tag. If it runs another image than that tag stands for, it expires as told; it has no expiry when it runs
 * the right one.
 *
 * @throws Fault `image.tag` when its flavour has no image with that tag.
 */
export async function changeDesktopTag(
  db: Db,
  vmId: number,
  tag: string,
  expiry: Expiry,
): Promise<{ expiring: number }> {
  return await transact(db, async (tx) => {
    const vm = await tx
      .selectFrom('vm')
      .select(['flavour_id', 'di_tag'])
      .where('id', '=', vmId)
      .executeTakeFirstOrThrow()
    await lockFlavour(tx, vm.flavour_id)
    const found = await findTag(tx, vm.flavour_id, tag)
    if (found === undefined)
      throw new Fault('image.tag', { tag, reason: "no image of the desktop's flavour has it" })
    if (vm.di_tag === tag) return { expiring: 0 }
    await tx.updateTable('vm').set({ di_tag: tag, image_pin: null }).where('id', '=', vmId).execute()
    return { expiring: await expireOlder(tx, vm.flavour_id, tag, found.disk_image_id, expiry, vmId) }
  })
}

/** Sets or clears when one desktop expires, whatever it runs: an administrator's word. */
export async function setDesktopExpiry(
  db: Db,
  vmId: number,
  expiry: { readonly soft?: Date | null | undefined; readonly hard?: Date | null | undefined },
): Promise<void> {
  const { soft, hard } = expiry
  await db
    .updateTable('vm')
    .set({
      ...(soft === undefined ? {} : { expire_soft: soft, expiry_told_at: null }),
      ...(hard === undefined ? {} : { expire_hard: hard }),
    })
    .where('id', '=', vmId)
    .execute()
  await sql`SELECT pg_notify('ostler_vm', ${String(vmId)})`.execute(db)
}

/** Blocks or unblocks an image: desktops do not start from one that is blocked, and those that run it go on. */
export async function blockImage(db: Db, id: number, blocked: boolean): Promise<void> {
  await flavourOf(db, id)
  await db.updateTable('disk_image').set({ blocked }).where('id', '=', id).execute()
}

/**
 * Removes the row of an image; its file stays.
 * @throws Fault `image.inUse` while desktops run it or start by one of its tags.
 */
export async function deleteImage(db: Db, id: number): Promise<void> {
  await transact(db, async (tx) => {
    const flavourId = await flavourOf(tx, id)
    await lockFlavour(tx, flavourId)
    const { rows } = await sql<{ name: string }>`
      SELECT vm.name FROM ostler.vm
      WHERE vm.disk_image_id = ${id} AND vm.state NOT IN ('stopped', 'failed')
        OR vm.flavour_id = ${flavourId} AND vm.di_tag IN (
          SELECT tag FROM ostler.image_tag WHERE flavour_id = ${flavourId} AND disk_image_id = ${id})
        OR vm.image_pin = ${id}
      ORDER BY vm.id LIMIT 1`.execute(tx)
    if (rows[0] !== undefined) throw new Fault('image.inUse', { image: id, desktop: rows[0].name })
    await tx.deleteFrom('disk_image').where('id', '=', id).execute()
  })
}

/** Says that a desktop was told of its expiry just now. */
export async function markExpiryTold(db: Db, vmId: number, epoch: number): Promise<void> {
  await db
    .updateTable('vm')
    .set({ expiry_told_at: sql<Date>`now()` })
    .where('id', '=', vmId)
    .where('epoch', '=', epoch)
    .execute()
}

/** Two changes of one flavour's tags wait for each other. */
export async function lockFlavour(tx: Db, flavourId: number): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock(hashtext('ostler.flavour'), ${flavourId}::int)`.execute(tx)
}

/** @throws Fault `object.unknown`. */
async function readFlavour(tx: Db, id: number) {
  const row = await tx
    .selectFrom('flavour')
    .select(['name', 'hypervisor'])
    .where('id', '=', id)
    .executeTakeFirst()
  if (row === undefined) throw new Fault('object.unknown', { kind: 'osf', name: String(id) })
  return row
}

async function flavourOf(db: Db, imageId: number): Promise<number> {
  const row = await db
    .selectFrom('disk_image')
    .select('flavour_id')
    .where('id', '=', imageId)
    .executeTakeFirst()
  if (row === undefined) throw new Fault('object.unknown', { kind: 'di', name: String(imageId) })
  return row.flavour_id
}

/** Which image of a flavour a tag stands for. */
export async function findTag(tx: Db, flavourId: number, tag: string) {
  return await tx
    .selectFrom('image_tag')
    .select(['disk_image_id', 'fixed'])
    .where('flavour_id', '=', flavourId)
    .where('tag', '=', tag)
    .executeTakeFirst()
}

/** Makes a tag stand for an image. @param fixed it is the image's version. */
export async function putTag(
  tx: Db,
  flavourId: number,
  tag: string,
  id: number,
  fixed: boolean,
): Promise<void> {
  await tx
    .insertInto('image_tag')
    .values({ flavour_id: flavourId, tag, disk_image_id: id, fixed })
    .onConflict((conflict) => conflict.columns(['flavour_id', 'tag']).doUpdateSet({ disk_image_id: id }))
    .execute()
}

/** QVD's form: the day, and a number that counts from 000 within the flavour and day. */
async function nextVersion(tx: Db, flavourId: number): Promise<string> {
  const { rows } = await sql<{ version: string }>`
    SELECT today || '-' || lpad((coalesce(max(substr(tag, 12)::int), -1) + 1)::text, 3, '0') AS version
    FROM to_char(now(), 'YYYY-MM-DD') AS today
      LEFT JOIN ostler.image_tag ON flavour_id = ${flavourId} AND tag ~ ('^' || today || '-[0-9]{3,6}$')
    GROUP BY today`.execute(tx)
  return rows[0]?.version ?? ''
}

/**
 * Sets when desktops expire that run another image than their tag stands for now. Who runs the right one again does
 * not expire any more.
 */
async function expireOlder(
  tx: Db,
  flavourId: number,
  tag: string,
  imageId: number,
  { soft, hard }: Expiry,
  onlyVm?: number,
): Promise<number> {
  const theirs = tx
    .updateTable('vm')
    .where('flavour_id', '=', flavourId)
    .where('di_tag', '=', tag)
    .where('state', 'not in', AT_REST)
    .$if(onlyVm !== undefined, (query) => query.where('id', '=', onlyVm ?? 0))
  await theirs
    .set({ expire_soft: null, expire_hard: null, expiry_told_at: null })
    .where('disk_image_id', '=', imageId)
    .execute()
  if (soft === undefined && hard === undefined) return 0
  const { numUpdatedRows } = await theirs
    .set({ expire_soft: soft ?? null, expire_hard: hard ?? null, expiry_told_at: null })
    .where('disk_image_id', 'is distinct from', imageId)
    .executeTakeFirst()
  // One hint for all: a hint without a number says that any row may have changed.
  await sql`SELECT pg_notify('ostler_vm', 'all')`.execute(tx)
  return Number(numUpdatedRows)
}
