import { stepRollOut } from '@ostler/proxy/hkd/roll-out.ts'
import type { RollOutSettings } from '@ostler/proxy/model/roll-out.ts'
import type { VmState } from '@ostler/proxy/model/vm-machine.ts'
import { registerHost } from '@ostler/proxy/store/hosts.ts'
import { addImage, changeDesktopTag } from '@ostler/proxy/store/images.ts'
import { jobsToDo, orderJob, showJob, stepJob, sweepPreviews } from '@ostler/proxy/store/jobs.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { addPoolClaim, tendPool } from '@ostler/proxy/store/pools.ts'
import { previewRollOut, runRollOut } from '@ostler/proxy/store/roll-outs.ts'
import { claimSeat, occupySeat } from '@ostler/proxy/store/seats.ts'
import { planVm } from '@ostler/proxy/store/vms.ts'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addTestFlavour, addTestUser } from '../fixtures/database-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { addTestPool } from '../pools/pool-rows.ts'

/** Roll-outs as rows: no desktop runs here, their states are what the test says. */

const SETTINGS: RollOutSettings = {
  canary: { count: 1 },
  wave: { count: 2 },
  pauseMs: 0,
  idle: 'restart',
  stopOn: 1,
}
const NEVER = { expire_soft: null, expire_hard: null }

let database: TestDatabase
let api: Db
let hkd: Db
let here: number
let there: number
let flavourId: number
let oldId: number
let newId: number
let count = 0

beforeAll(async () => {
  database = await openTestDatabase()
  api = database.as('api')
  hkd = database.as('hkd')
  here = await registerHost(hkd, 'here', 1_000, 2)
  there = await registerHost(hkd, 'there', 1_000, 2)
})
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(async () => {
  flavourId = await addTestFlavour(hkd)
  oldId = (await addImage(api, { flavourId, kind: 'tarball', path: '/old.tar', version: 'old' }, {})).id
  newId = (await addImage(api, { flavourId, kind: 'tarball', path: '/new.tar', version: 'new' }, {})).id
})

/** A desktop of a user of its own that runs the old image since a minute, or is at rest. */
async function addDesktop(state: VmState = 'running'): Promise<number> {
  const number = ++count
  const isUp = state === 'running'
  const { id } = await hkd
    .insertInto('vm')
    .values({
      name: `desk${number}`,
      user_id: await addTestUser(hkd),
      flavour_id: flavourId,
      address: `10.8.${Math.floor(number / 200)}.${number % 200}`,
      state,
      prior: state,
      epoch: 1,
      disk_image_id: isUp ? oldId : null,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  await log(id, 'preparing', isUp ? oldId : null, '1 minute')
  return id
}
async function log(vmId: number, state: VmState, image: number | null, ago = '0'): Promise<void> {
  await sql`
    INSERT INTO ostler.vm_log (vm_id, epoch, event, prior, state, fault, disk_image_id, at)
    SELECT id, epoch, 'x', state, ${state}, CASE WHEN ${state} = 'failed' THEN 'no boot' END, ${image}::int,
      clock_timestamp() - ${ago}::interval FROM ostler.vm WHERE id = ${vmId}`.execute(hkd)
}
/** As hkd would: a new boot of what the desktop is to run, which comes up, or fails. */
async function boot(vmId: number, ends: 'running' | 'failed'): Promise<void> {
  const image = (await planVm(hkd, vmId))?.image?.id ?? null
  await sql`UPDATE ostler.vm SET epoch = epoch + 1 WHERE id = ${vmId}`.execute(hkd)
  await log(vmId, 'preparing', image)
  await log(vmId, ends, ends === 'running' ? image : null)
  await sql`
    UPDATE ostler.vm SET prior = ${ends}, state = ${ends}, state_since = now() - interval '1 second',
      disk_image_id = ${ends === 'running' ? image : null}::int, expire_soft = NULL, expire_hard = NULL
    WHERE id = ${vmId}`.execute(hkd)
}
const begin = async (settings: Partial<RollOutSettings> = {}, tag = 'default'): Promise<number> => {
  const asked = { imageId: newId, tag, settings: { ...SETTINGS, ...settings }, by: 'ann' }
  const { jobId, token } = await previewRollOut(api, asked)
  await runRollOut(api, jobId, token, 'ann')
  return jobId
}
const step = (id: number, hostId = here): Promise<boolean | undefined> =>
  stepJob(hkd, id, hostId, stepRollOut)
async function settle(id: number): Promise<void> {
  while ((await step(id)) === true);
}
async function rowOf(id: number) {
  const columns = ['expire_soft', 'expire_hard', 'image_pin'] as const
  return await hkd.selectFrom('vm').select(columns).where('id', '=', id).executeTakeFirstOrThrow()
}
const sit = async (vmId: number): Promise<void> => {
  const { seat } = await claimSeat(hkd, vmId, 'here/1', 'ann')
  await occupySeat(hkd, seat)
}
const wishesOf = async (vmId: number): Promise<string[]> =>
  (await hkd.selectFrom('wish').select('kind').where('vm_id', '=', vmId).orderBy('number').execute()).map(
    ({ kind }) => kind,
  )

describe('when its turn comes', () => {
  test('a desktop that nobody uses is ended at once, one in use expires as told', async () => {
    const [idle, used] = [await addDesktop(), await addDesktop()]
    await sit(used)
    const id = await begin({ canary: { count: 0 }, soft: 'now', hard: 'now + 2 hours' })
    expect(await rowOf(idle)).toMatchObject(NEVER)
    await settle(id)
    const [one, other] = [await rowOf(idle), await rowOf(used)]
    expect(one.expire_soft).toBeNull()
    expect(one.expire_hard?.getTime()).toBeLessThanOrEqual(Date.now())
    expect((other.expire_hard?.getTime() ?? 0) - Date.now()).toBeGreaterThan(100 * 60_000)
  })

  test('one of a pool is that of whoever has it, and shares its home with none', async () => {
    const pool = await addTestPool(hkd, { size: 2 })
    const { flavour_id: flavourId } = await hkd
      .selectFrom('pool')
      .selectAll()
      .where('id', '=', pool.id)
      .executeTakeFirstOrThrow()
    const { id: imageId } = await addImage(api, { flavourId, kind: 'tarball', path: '/next.tar' }, {})
    const pia = await addTestUser(hkd, { login: 'pia' })
    await addPoolClaim(hkd, pool.id, pia, 60)
    const [{ vmId } = { vmId: 0 }] = (await tendPool(hkd, pool.id)).given
    const { seat } = await claimSeat(hkd, vmId, 'here/1', 'pia', pia)
    await occupySeat(hkd, seat)
    const asked = { imageId, tag: 'default', settings: SETTINGS, by: 'ann' }
    const { desktops } = await previewRollOut(api, asked)
    expect(desktops.find((desktop) => desktop.vmId === vmId)).toMatchObject({ user: 'pia', used: true })
    expect(desktops.map(({ startable }) => startable)).toEqual([true, true])
  })

  test('one whose user has left her programs open is in use, and one that was used in an earlier boot is not', async () => {
    const [left, earlier] = [await addDesktop(), await addDesktop()]
    for (const vm of [left, earlier]) await sit(vm)
    await sql`UPDATE ostler.seat SET state = 'disconnected', door = NULL`.execute(hkd)
    await sql`UPDATE ostler.seat SET since = now() - interval '1 hour' WHERE vm_id = ${earlier}`.execute(hkd)
    await settle(await begin({ canary: { count: 0 } }))
    expect(await rowOf(left)).toMatchObject(NEVER)
    expect((await rowOf(earlier)).expire_hard).not.toBeNull()
  })

  test('nobody is ended who is to wait', async () => {
    const idle = await addDesktop()
    await settle(await begin({ canary: { count: 0 }, idle: 'wait' }))
    expect(await rowOf(idle)).toMatchObject(NEVER)
  })

  test('it is pinned, and others start what the tag stands for; with the last wave there are no pins', async () => {
    const [canary, other] = [await addDesktop(), await addDesktop()]
    const id = await begin()
    await settle(id)
    expect((await planVm(hkd, canary))?.image?.id).toBe(newId)
    expect((await planVm(hkd, other))?.image?.id).toBe(oldId)
    expect(await rowOf(other)).toEqual({ ...NEVER, image_pin: null })
    await boot(canary, 'running')
    await settle(id)
    await boot(other, 'running')
    await settle(id)
    expect((await showJob(api, id, 0)).state).toBe('done')
    for (const vm of [canary, other]) {
      expect((await planVm(hkd, vm))?.image?.id).toBe(newId)
      expect(await rowOf(vm)).toEqual({ ...NEVER, image_pin: null })
    }
  })

  test('a desktop that got another tag is left alone, and one that was added gets the image with the tag', async () => {
    const [canary, changed] = [await addDesktop(), await addDesktop()]
    const id = await begin()
    await settle(id)
    await changeDesktopTag(api, changed, 'old', {})
    const added = await addDesktop()
    await boot(canary, 'running')
    await settle(id)
    expect((await planVm(hkd, changed))?.image?.id).toBe(oldId)
    expect(await rowOf(changed)).toMatchObject(NEVER)
    expect((await planVm(hkd, added))?.image?.id).toBe(newId)
    expect((await rowOf(added)).expire_hard).not.toBeNull()
    expect((await showJob(api, id, 0)).items.map(({ state }) => state)).toEqual(['new', 'left'])
  })

  test('a pinned desktop that gets another tag loses its pin', async () => {
    const canary = await addDesktop()
    await addDesktop()
    await settle(await begin())
    await changeDesktopTag(api, canary, 'old', {})
    expect((await planVm(hkd, canary))?.image?.id).toBe(oldId)
  })
})

describe('when a start fails', () => {
  test('the tag goes back, what was up is started again, and what was at rest stays at rest', async () => {
    const [up, rest] = [await addDesktop(), await addDesktop('stopped')]
    const id = await begin({ canary: { count: 0 } })
    await settle(id)
    expect((await planVm(hkd, rest))?.image?.id).toBe(newId)
    await boot(up, 'failed')
    await settle(id)
    expect((await planVm(hkd, rest))?.image?.id).toBe(oldId)
    expect([await wishesOf(up), await wishesOf(rest)]).toEqual([['run'], []])
    await boot(up, 'running')
    await sql`UPDATE ostler.wish SET closed_at = now(), outcome = 'running' WHERE vm_id = ${up}`.execute(hkd)
    await settle(id)
    const { state, reason } = await showJob(api, id, 0)
    expect([state, reason]).toEqual([
      'rolled back',
      expect.stringMatching(/did not start: desk\d+ \(no boot\)/),
    ])
  })

  test('a user who works with the new image keeps it until she ends, and is named', async () => {
    const [well, bad] = [await addDesktop(), await addDesktop()]
    const id = await begin({ canary: { count: 0 } })
    await settle(id)
    await boot(well, 'running')
    await sit(well)
    await boot(bad, 'failed')
    await settle(id)
    expect(await rowOf(well)).toMatchObject(NEVER)
    await boot(bad, 'running')
    await sql`UPDATE ostler.wish SET closed_at = now(), outcome = 'running' WHERE vm_id = ${bad}`.execute(hkd)
    await settle(id)
    expect((await showJob(api, id, 0)).reason).toMatch(/desk\d+ \(in use\): run the new image until they end/)
  })

  test('a start that was refused is one that failed', async () => {
    const desktop = await addDesktop()
    const id = await begin()
    await settle(id)
    await sql`UPDATE ostler.vm SET prior = 'stopped', state = 'stopped', disk_image_id = NULL WHERE id = ${desktop}`.execute(
      hkd,
    )
    await sql`
      INSERT INTO ostler.wish (vm_id, kind, by, reason, closed_at, outcome, at)
      VALUES (${desktop}, 'run', 'expiry', 'restart', now(), 'the archive is broken', clock_timestamp())`.execute(
      hkd,
    )
    await settle(id)
    expect((await showJob(api, id, 0)).reason).toContain('the archive is broken')
  })
})

describe('a job', () => {
  test('is one hkd’s, until that is silent', async () => {
    await addDesktop()
    const id = await begin()
    expect(await step(id)).toBe(true)
    expect(await step(id, there)).toBeUndefined()
    expect(await jobsToDo(hkd, there)).not.toContain(id)
    await sql`UPDATE ostler.job SET lease_until = now() - interval '1 second' WHERE id = ${id}`.execute(hkd)
    expect(await jobsToDo(hkd, there)).toContain(id)
    expect(await step(id, there)).toBe(false)
    expect(await step(id)).toBeUndefined()
  })

  test('is not touched while it is paused, nor after it has ended', async () => {
    const desktop = await addDesktop()
    const id = await begin()
    await orderJob(api, id, 'pause', 'ann')
    expect(await step(id)).toBeUndefined()
    await orderJob(api, id, 'stop', 'ann')
    await settle(id)
    expect((await showJob(api, id, 0)).state).toBe('rolled back')
    expect(await rowOf(desktop)).toEqual({ ...NEVER, image_pin: null })
    for (const order of ['pause', 'resume', 'stop'] as const)
      await expect(orderJob(api, id, order, 'ann')).rejects.toMatchObject({ code: 'job.state' })
  })

  test('has a log that the api can add to, and nobody but hkd says how it stands', async () => {
    await addDesktop()
    const id = await begin()
    const denied = { code: '42501' }
    for (const bad of [
      sql`UPDATE ostler.job_log SET text = 'nothing' WHERE job_id = ${id}`,
      sql`DELETE FROM ostler.job_log WHERE job_id = ${id}`,
      sql`UPDATE ostler.job_item SET state = 'new' WHERE job_id = ${id}`,
      sql`UPDATE ostler.roll_out SET wave = 9 WHERE job_id = ${id}`,
      sql`UPDATE ostler.job SET ended_at = now() WHERE id = ${id}`,
    ])
      await expect(bad.execute(api)).rejects.toMatchObject(denied)
  })

  test('that was only previewed goes after a day; one that was run stays', async () => {
    await addDesktop()
    const run = await begin()
    await orderJob(api, run, 'stop', 'ann')
    await settle(run)
    const { jobId } = await previewRollOut(api, {
      imageId: newId,
      tag: 'default',
      settings: SETTINGS,
      by: 'ann',
    })
    await sql`UPDATE ostler.job SET made_at = now() - interval '25 hours'`.execute(hkd)
    await expect(runRollOut(api, jobId, 'x', 'ann')).rejects.toMatchObject({ code: 'job.stale' })
    await sweepPreviews(hkd)
    await expect(showJob(api, jobId, 0)).rejects.toMatchObject({ code: 'object.unknown' })
    expect((await showJob(api, run, 0)).state).toBe('rolled back')
  })

  test('two previews of one tag: the first that is run has it', async () => {
    await addDesktop()
    const asked = { imageId: newId, tag: 'default', settings: SETTINGS, by: 'ann' }
    const previews = [await previewRollOut(api, asked), await previewRollOut(api, asked)]
    const outcomes = await Promise.allSettled(
      previews.map(({ jobId, token }) => runRollOut(api, jobId, token, 'ann')),
    )
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  })

  test.each([
    ['a version', 'old', 'image.tag'],
    ['a tag that there is not', 'gold', 'image.tag'],
    ['the tag that stands for it already', 'head', 'image.tag'],
  ])('is refused for %s', async (_, tag, code) => {
    await expect(begin({}, tag)).rejects.toMatchObject({ code })
  })
})
