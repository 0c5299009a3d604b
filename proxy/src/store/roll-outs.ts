import { Fault } from '@ostler/contract/fault.ts'
import { sql } from 'kysely'
import { createHash } from 'node:crypto'
import {
  planWaves,
  type RollOutCandidate,
  type RollOutFacts,
  type RollOutItem,
  type RollOutSettings,
} from '../model/roll-out.ts'
import { AT_REST } from '../model/start-queue.ts'
import type { VmState } from '../model/vm-machine.ts'
import { userOfDesktop } from './desktop-user.ts'
import { type Expiry, findTag, lockFlavour, putTag } from './images.ts'
import { logJob, requireJobIn, tellOfJob } from './jobs.ts'
import { requireNoRollOut } from './open-roll-out.ts'
import type { Db } from './open.ts'
import { userState } from './seats.ts'
import { transact } from './transact.ts'

/** Who wishes in the course of a roll-out. */
const ROLL_OUT = 'roll-out'
/** Who wishes when an image expires: those starts are the roll-out's, too. */
const EXPIRY = 'expiry'
/** Outcomes of a wish to run that say nothing against an image. */
const WELL = '^(running|already |stopped|withdrawn|nobody waits)'
/** A desktop that ends by itself so soon after its agent answered has not started. */
const EARLY_SECONDS = 60
/** So old a preview may be. */
const FRESH_MINUTES = 60

/** What is asked for. */
export interface NewRollOut {
  readonly imageId: number
  readonly tag: string
  readonly settings: RollOutSettings
  readonly by: string
}

/** A desktop as a preview shows it. */
export interface PreviewedDesktop extends RollOutCandidate {
  readonly name: string
  readonly host: string | null
  readonly user: string | null
  readonly runs: string | null
  readonly wave: number
}

/** A roll-out that was not begun. */
export interface PreviewedRollOut {
  readonly jobId: number
  readonly token: string
  readonly image: string
  readonly old: string
  readonly waves: number
  /** In the order of the waves. */
  readonly desktops: readonly PreviewedDesktop[]
}

/**
 * Plans a roll-out and writes it down; nothing happens to any desktop.
 * @throws Fault `object.unknown`, `image.unusable`, `image.tag`, `rollOut.open`.
 */
export async function previewRollOut(db: Db, asked: NewRollOut): Promise<PreviewedRollOut> {
  return await transact(db, async (tx) => {
    const { imageId, tag, settings, by } = asked
    const image = await requireImage(tx, imageId)
    const flavourId = image.flavour_id
    await lockFlavour(tx, flavourId)
    await requireNoRollOut(tx, flavourId, tag)
    const old = await findTag(tx, flavourId, tag)
    if (old === undefined) throw new Fault('image.tag', { tag, reason: 'no image of that flavour has it' })
    if (old.fixed)
      throw new Fault('image.tag', { tag, reason: 'it is the version of an image, and stays there' })
    if (old.disk_image_id === imageId)
      throw new Fault('image.tag', { tag, reason: 'it stands for that image already' })
    const found = await readDesktops(tx, flavourId, tag)
    const plan = planWaves(found, settings)
    const waves = Math.max(1, ...plan.map(({ wave }) => wave))
    const { id } = await tx
      .insertInto('job')
      .values({ kind: 'roll-out', by, progress: `${plan.length} desktops in ${waves} waves` })
      .returning('id')
      .executeTakeFirstOrThrow()
    const world = { imageId, oldImageId: old.disk_image_id, vmIds: found.map(({ vmId }) => vmId) }
    const token = tokenOf(id, world)
    await tx
      .insertInto('roll_out')
      .values({
        job_id: id,
        flavour_id: flavourId,
        tag,
        image_id: imageId,
        old_image_id: old.disk_image_id,
        token,
        settings: JSON.stringify(settings),
        waves,
      })
      .execute()
    const items = plan.map(({ vmId, wave }) => ({ job_id: id, vm_id: vmId, wave }))
    if (items.length > 0) await tx.insertInto('job_item').values(items).execute()
    await logJob(tx, id, `previewed by ${by}: ${image.name} for the tag ${tag}, ${plan.length} desktops`)
    const byId = new Map(found.map((desktop) => [desktop.vmId, desktop]))
    const desktops = plan.flatMap(({ vmId, wave }) => {
      const desktop = byId.get(vmId)
      return desktop === undefined ? [] : [{ ...desktop, wave }]
    })
    const { name } = await requireImage(tx, old.disk_image_id, true)
    return { jobId: id, token, image: image.name, old: name, waves, desktops }
  })
}

/**
 * Begins a roll-out, if what was previewed still is so: the same desktops have the tag, it stands for the same image, and
 * the new one can be used. What desktops do meanwhile does not matter.
 *
 * @throws Fault `object.unknown`, `job.state`, `rollOut.open`, `job.stale` with what has changed.
 */
export async function runRollOut(db: Db, jobId: number, token: string, by: string): Promise<void> {
  await transact(db, async (tx) => {
    await requireJobIn(tx, jobId, ['previewed'], 'run')
    const row = await tx
      .selectFrom('roll_out')
      .innerJoin('job', 'job.id', 'job_id')
      .select(['flavour_id', 'tag', 'image_id', 'old_image_id', 'token'])
      .select(sql<boolean>`made_at < now() - make_interval(mins => ${FRESH_MINUTES})`.as('isOld'))
      .where('job_id', '=', jobId)
      .executeTakeFirstOrThrow()
    const stale = (reason: string): Fault => new Fault('job.stale', { job: jobId, reason })
    if (row.token !== token) throw stale('that is the token of another preview')
    if (row.isOld) throw stale(`it was made more than ${FRESH_MINUTES} minutes ago`)
    if (row.image_id === null) throw stale('the new image was removed')
    await requireImage(tx, row.image_id)
    await lockFlavour(tx, row.flavour_id)
    await requireNoRollOut(tx, row.flavour_id, row.tag)
    const now = await findTag(tx, row.flavour_id, row.tag)
    if (now === undefined || now.disk_image_id !== row.old_image_id)
      throw stale(`the tag ${row.tag} was moved`)
    const vmIds = (await readDesktops(tx, row.flavour_id, row.tag)).map(({ vmId }) => vmId)
    if (tokenOf(jobId, { imageId: row.image_id, oldImageId: now.disk_image_id, vmIds }) !== token)
      throw stale('other desktops have the tag now')
    await tx
      .updateTable('job')
      .set({ state: 'running', started_at: sql<Date>`clock_timestamp()` })
      .where('id', '=', jobId)
      .execute()
    await logJob(tx, jobId, `begun by ${by}`)
    await tellOfJob(tx, jobId)
  })
}

/** Says of which world a preview was made. */
function tokenOf(
  jobId: number,
  world: { readonly imageId: number; readonly oldImageId: number; readonly vmIds: readonly number[] },
): string {
  const sorted = world.vmIds.toSorted((a, b) => a - b)
  const text = JSON.stringify([jobId, world.imageId, world.oldImageId, sorted])
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

async function requireImage(tx: Db, id: number, evenBlocked = false) {
  const image = await tx
    .selectFrom('disk_image')
    .select(['name', 'flavour_id', 'blocked'])
    .where('id', '=', id)
    .executeTakeFirst()
  if (image === undefined) throw new Fault('object.unknown', { kind: 'di', name: String(id) })
  if (image.blocked && !evenBlocked)
    throw new Fault('image.unusable', { image: image.name, reason: 'it is blocked' })
  return image
}

/**
 * True when somebody has sat at a desktop since it was started: what she has open there is still open, whether she sits
 * there now or not.
 */
const usedVm = sql<boolean>`EXISTS (
  SELECT FROM ostler.seat WHERE seat.vm_id = vm.id AND (${userState} <> 'disconnected' OR seat.since >= (
    SELECT max(at) FROM ostler.vm_log
    WHERE vm_log.vm_id = vm.id AND vm_log.epoch = vm.epoch AND vm_log.state = 'preparing')))`

const wishedVm = sql<boolean>`EXISTS (
  SELECT FROM ostler.wish WHERE wish.vm_id = vm.id AND kind IN ('run', 'spare') AND closed_at IS NULL
    AND (expires_at IS NULL OR expires_at > now()))`

/** It is not blocked, and no other desktop has its home, which has one writer; each of a pool has one of its own. */
const startableVm = sql<boolean>`(NOT vm.blocked AND NOT EXISTS (
  SELECT FROM ostler.vm AS other
  WHERE vm.pool_id IS NULL AND other.pool_id IS NULL AND other.user_id = vm.user_id
    AND other.flavour_id = vm.flavour_id AND other.id <> vm.id))`

async function readDesktops(
  tx: Db,
  flavourId: number,
  tag: string,
): Promise<Omit<PreviewedDesktop, 'wave'>[]> {
  const { rows } = await sql<Omit<PreviewedDesktop, 'wave'>>`
    SELECT vm.id AS "vmId", vm.name, vm.state, host.name AS host, running.name AS runs, ${usedVm} AS used,
      CASE WHEN ${userState} <> 'disconnected' THEN users.login END AS user,
      ${startableVm} AS startable
    FROM ostler.vm JOIN ostler.users ON users.id = ${userOfDesktop}
      LEFT JOIN ostler.host ON host.id = vm.host_id
      LEFT JOIN ostler.seat ON seat.vm_id = vm.id LEFT JOIN ostler.disk_image AS running ON running.id = vm.disk_image_id
    WHERE vm.flavour_id = ${flavourId} AND vm.di_tag = ${tag}
    ORDER BY vm.id`.execute(tx)
  return rows
}

// --- for hkd alone ---

/** A roll-out that is under way, as its row says. */
export interface RollOutRow {
  readonly jobId: number
  readonly flavourId: number
  readonly tag: string
  readonly imageId: number | null
  readonly oldImageId: number | null
  readonly settings: RollOutSettings
}

/** Reads everything on which the next step of a roll-out rests. */
export async function readRollOut(
  tx: Db,
  job: { readonly id: number; readonly state: 'running' | 'stopping'; readonly reason: string },
): Promise<{ row: RollOutRow; facts: RollOutFacts }> {
  const { rows } = await sql<RollOutRow & Omit<RollOutFacts, 'items' | 'state' | 'reason'>>`
    SELECT job_id AS "jobId", flavour_id AS "flavourId", tag, image_id AS "imageId", old_image_id AS "oldImageId",
      settings, wave, waves,
      coalesce(extract(epoch FROM clock_timestamp() - sent_at) * 1000, 0)::float8 AS "sinceSentMs",
      (extract(epoch FROM clock_timestamp() - back_at) * 1000)::float8 AS "sinceBackMs",
      CASE WHEN image_id IS NULL THEN 'the new image was removed'
        WHEN (SELECT blocked FROM ostler.disk_image WHERE id = image_id) THEN 'the new image was blocked' END AS obstacle
    FROM ostler.roll_out WHERE job_id = ${job.id}`.execute(tx)
  const [found] = rows
  if (found === undefined) throw new Error(`job ${job.id} is no roll-out`)
  const { wave, waves, sinceSentMs, sinceBackMs, obstacle, ...row } = found
  const { state, reason } = job
  const items = await readItems(tx, job.id)
  const { settings } = row
  return { row, facts: { settings, state, reason, wave, waves, sinceSentMs, sinceBackMs, obstacle, items } }
}

async function readItems(tx: Db, jobId: number): Promise<RollOutItem[]> {
  const { rows } = await sql<RollOutItem & { vmState: VmState }>`
    SELECT vm.id AS "vmId", vm.name, item.wave, item.state, item.tried, item.was_up AS "wasUp",
      vm.state AS "vmState", vm.flavour_id = roll_out.flavour_id AND vm.di_tag = roll_out.tag AS "inScope",
      CASE WHEN vm.state = ANY (${[...AT_REST]}) THEN NULL
        WHEN vm.disk_image_id IS NOT DISTINCT FROM image_id THEN 'new' ELSE 'other' END AS runs,
      ${usedVm} AS used, ${startableVm} AS startable, ${wishedVm} AS wished,
      CASE WHEN vm.state = 'running' THEN extract(epoch FROM clock_timestamp() - vm.state_since) * 1000 ELSE 0
        END::float8 AS "upMs",
      (extract(epoch FROM vm.expire_hard - clock_timestamp()) * 1000)::float8 AS "hardInMs",
      coalesce(
        (SELECT coalesce(ended.fault, 'it ended by itself')
          FROM ostler.vm_log AS begun JOIN ostler.vm_log AS ended USING (vm_id, epoch)
          WHERE begun.vm_id = vm.id AND begun.state = 'preparing' AND begun.disk_image_id = image_id
            AND begun.at >= job.started_at AND (ended.state = 'failed' OR (
              ended.prior = 'running' AND ended.event = 'exited' AND EXISTS (
                SELECT FROM ostler.vm_log AS up WHERE up.vm_id = vm.id AND up.epoch = ended.epoch
                  AND up.state = 'running' AND ended.at < up.at + make_interval(secs => ${EARLY_SECONDS}))))
          ORDER BY ended.id DESC LIMIT 1),
        ${refusalOf(sql`job.started_at`, sql`coalesce(back_at, 'infinity')`)}) AS failure,
      coalesce(
        (SELECT ended.fault FROM ostler.vm_log AS ended
          WHERE ended.vm_id = vm.id AND ended.state = 'failed' AND ended.at >= back_at
            AND NOT EXISTS (SELECT FROM ostler.vm_log AS begun WHERE begun.vm_id = vm.id
              AND begun.epoch = ended.epoch AND begun.state = 'preparing' AND begun.disk_image_id = image_id)
          ORDER BY ended.id DESC LIMIT 1),
        ${refusalOf(sql`back_at`, sql`'infinity'`)}) AS "backFailure",
      EXISTS (SELECT FROM ostler.wish WHERE wish.vm_id = vm.id AND kind = 'run' AND by = ${ROLL_OUT}
        AND at >= back_at) AS "backWished"
    FROM ostler.job_item AS item JOIN ostler.vm ON vm.id = item.vm_id
      JOIN ostler.roll_out USING (job_id) JOIN ostler.job ON job.id = item.job_id
    WHERE item.job_id = ${jobId} ORDER BY item.wave, vm.id`.execute(tx)
  return rows
}

/** Why a desktop that the roll-out wished up within some time is at rest: what came of the newest such wish. */
function refusalOf(from: ReturnType<typeof sql>, to: ReturnType<typeof sql>) {
  return sql`(
    SELECT CASE WHEN outcome !~ ${WELL} THEN outcome END FROM ostler.wish
    WHERE wish.vm_id = vm.id AND kind = 'run' AND by IN (${EXPIRY}, ${ROLL_OUT}) AND closed_at IS NOT NULL
      AND wish.at >= ${from} AND wish.at < ${to} AND vm.state = ANY (${[...AT_REST]}) AND NOT ${wishedVm}
    ORDER BY number DESC LIMIT 1)`
}

/**
 * Sends the desktops of a wave: each is pinned to the new image, and expires if it runs another one. With the last wave the tag
 * itself moves, and pins are no longer needed.
 */
export async function sendWave(
  tx: Db,
  row: RollOutRow,
  wave: number,
  {
    expiry,
    last,
    tries,
  }: { readonly expiry: Expiry; readonly last: boolean; readonly tries: readonly number[] },
): Promise<void> {
  const { jobId, flavourId, tag, imageId, settings } = row
  if (imageId === null) return
  await lockFlavour(tx, flavourId)
  const mine = sql`vm.flavour_id = ${flavourId} AND vm.di_tag = ${tag} AND EXISTS (
    SELECT FROM ostler.job_item AS item WHERE item.job_id = ${jobId} AND item.vm_id = vm.id AND item.wave = ${wave})`
  await sql`
    UPDATE ostler.job_item SET was_up = vm.state <> ALL (${[...AT_REST]}) OR ${wishedVm},
      tried = vm.id = ANY (${[...tries]})
    FROM ostler.vm WHERE vm.id = vm_id AND job_id = ${jobId} AND wave = ${wave}`.execute(tx)
  await sql`UPDATE ostler.vm SET image_pin = ${imageId} WHERE ${mine}`.execute(tx)
  await expire(tx, {
    which: sql`(${mine}) AND vm.disk_image_id IS DISTINCT FROM ${imageId}`,
    expiry,
    settings,
  })
  if (last) {
    // Desktops that were added meanwhile are in no wave: they get the new image as by any tag that moves.
    const others = sql`vm.flavour_id = ${flavourId} AND vm.di_tag = ${tag}
      AND vm.disk_image_id IS DISTINCT FROM ${imageId} AND NOT EXISTS (
        SELECT FROM ostler.job_item AS item WHERE item.job_id = ${jobId} AND item.vm_id = vm.id)`
    await putTag(tx, flavourId, tag, imageId, false)
    await expire(tx, { which: others, expiry, settings })
    await unpin(tx, row)
  }
  for (const vmId of tries) await wish(tx, vmId, 'run', `to try an image for job ${jobId}`)
  await sql`UPDATE ostler.roll_out SET wave = ${wave}, sent_at = clock_timestamp() WHERE job_id = ${jobId}`.execute(
    tx,
  )
  await sql`SELECT pg_notify('ostler_vm', 'all')`.execute(tx)
}

/**
 * Takes everything back: pins go, the tag stands for the old image again, desktops that have got the new image expire, and those
 * that still run the old one do not expire any more.
 *
 * @returns whether the tag had moved.
 */
export async function turnBack(tx: Db, row: RollOutRow, expiry: Expiry): Promise<{ tagMoved: boolean }> {
  const { jobId, flavourId, tag, imageId, oldImageId, settings } = row
  await lockFlavour(tx, flavourId)
  await unpin(tx, row)
  const now = await findTag(tx, flavourId, tag)
  const tagMoved = imageId !== null && oldImageId !== null && now?.disk_image_id === imageId
  if (tagMoved) await putTag(tx, flavourId, tag, oldImageId, false)
  const theirs = sql`vm.flavour_id = ${flavourId} AND vm.di_tag = ${tag}`
  const sent = sql`${theirs} AND EXISTS (SELECT FROM ostler.job_item AS item
    WHERE item.job_id = ${jobId} AND item.vm_id = vm.id AND item.state <> 'waiting')`
  await sql`
    UPDATE ostler.vm SET expire_soft = NULL, expire_hard = NULL, expiry_told_at = NULL
    WHERE ${sent} AND state <> ALL (${[...AT_REST]}) AND disk_image_id IS DISTINCT FROM ${imageId}::int`.execute(
    tx,
  )
  await endTries(tx, jobId)
  const triedAndUnused = sql`EXISTS (SELECT FROM ostler.job_item AS item
    WHERE item.job_id = ${jobId} AND item.vm_id = vm.id AND item.tried) AND NOT ${usedVm}`
  await expire(tx, {
    which: sql`${theirs} AND vm.disk_image_id = ${imageId}::int AND NOT (${triedAndUnused})`,
    expiry,
    settings,
  })
  await sql`UPDATE ostler.roll_out SET back_at = clock_timestamp() WHERE job_id = ${jobId}`.execute(tx)
  await sql`SELECT pg_notify('ostler_vm', 'all')`.execute(tx)
  return { tagMoved }
}

/** Stops desktops that were started only to try the image, unless somebody has sat down there. */
export async function endTries(tx: Db, jobId: number): Promise<void> {
  const { rows } = await sql<{ id: number }>`
    SELECT vm.id FROM ostler.vm JOIN ostler.job_item ON vm_id = vm.id
    WHERE job_id = ${jobId} AND tried AND vm.state <> ALL (${[...AT_REST]}) AND NOT ${usedVm}`.execute(tx)
  for (const { id } of rows) await wish(tx, id, 'stop', `was started to try an image for job ${jobId}`)
}

/** Ends desktops at once, which start anew. */
export async function endBoots(tx: Db, vmIds: readonly number[]): Promise<void> {
  await sql`UPDATE ostler.vm SET expire_soft = NULL, expire_hard = now() WHERE id = ANY (${[...vmIds]})`.execute(
    tx,
  )
  await sql`SELECT pg_notify('ostler_vm', 'all')`.execute(tx)
}

/** Wishes desktops up that were up before. */
export async function startAgain(tx: Db, jobId: number, vmIds: readonly number[]): Promise<void> {
  for (const vmId of vmIds) await wish(tx, vmId, 'run', `job ${jobId} was rolled back`)
}

async function wish(tx: Db, vmId: number, kind: 'run' | 'stop', reason: string): Promise<void> {
  // The time of the transaction's begin would be before what this wish comes after.
  await sql`
    INSERT INTO ostler.wish (vm_id, kind, by, reason, at)
    VALUES (${vmId}, ${kind}, ${ROLL_OUT}, ${reason}, clock_timestamp())`.execute(tx)
}

async function unpin(tx: Db, { flavourId, tag, imageId }: RollOutRow): Promise<void> {
  await sql`
    UPDATE ostler.vm SET image_pin = NULL
    WHERE flavour_id = ${flavourId} AND di_tag = ${tag} AND image_pin IS NOT DISTINCT FROM ${imageId}::int`.execute(
    tx,
  )
}

/** Those that nobody uses are ended at once, if that is wanted; all others as told. */
async function expire(
  tx: Db,
  set: {
    readonly which: ReturnType<typeof sql>
    readonly expiry: Expiry
    readonly settings: Pick<RollOutSettings, 'idle'>
  },
): Promise<void> {
  const { which, expiry, settings } = set
  const atOnce = sql`(${settings.idle === 'restart'}::boolean AND NOT ${usedVm})`
  await sql`
    UPDATE ostler.vm SET expiry_told_at = NULL,
      expire_soft = CASE WHEN ${atOnce} THEN NULL ELSE ${expiry.soft ?? null}::timestamptz END,
      expire_hard = CASE WHEN ${atOnce} THEN now() ELSE ${expiry.hard ?? null}::timestamptz END
    WHERE ${which} AND state <> ALL (${[...AT_REST]})`.execute(tx)
}
