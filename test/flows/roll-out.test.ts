import type { JobShown } from '@ostler/contract/jobs.ts'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { YardRulesInput } from '../../proxy/src/hypervisor/simulated/script.ts'
import { startWorld, until, type World } from '../fixtures/world.ts'

/** Disk images are rolled out over desktops that are scripts, by the real hkd, api and `qa`. */

const RULES: YardRulesInput = {
  seed: 7,
  scripts: [
    { script: { bootMs: 20, agentMs: 30 } },
    { image: 'stillborn', script: { livesMs: 50, agentMs: null } },
    // Its first boots do well or not, by the desktop's number.
    { image: 'fickle', share: 3, script: { bootMs: 20, agentMs: 30 } },
    { image: 'fickle', share: 1, script: { livesMs: 50, agentMs: null } },
  ],
}
const DESKTOPS = 30

let world: World
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-rules-'))
  const rules = join(folder, 'rules.json')
  writeFileSync(rules, JSON.stringify(RULES))
  world = await startWorld({ 'vm.hypervisor': 'simulated', 'vm.simulated.rules': rules })
  await world.qa('osf add name=crowd memory=64')
  for (const image of ['one', 'two', 'three', 'four', 'stillborn', 'fickle'])
    await world.qa(`di add name=${image} version=${image} osf=crowd kind=instant`)
  for (let number = 0; number < DESKTOPS; number++) await world.addUser(`crowd${number}`, 'crowd')
  for (const { name } of await crowd()) await world.qa(`vm start -f name=${name}`)
  await until('all to run', async () => (await crowd()).every(({ state }) => state === 'running'), 60_000)
}, 180_000)
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

interface Row {
  readonly name: string
  readonly state: string
  readonly di: string | null
  readonly expire_soft: string | null
  readonly expire_hard: string | null
}
const crowd = async (): Promise<Row[]> =>
  ((await world.api.get('/v1/desktops')) as Row[]).filter(({ name }) => name.startsWith('crowd'))
const allRun = async (called: string): Promise<boolean> =>
  (await crowd()).every(({ state, di }) => state === 'running' && di === called)
const image = async (called: string) => {
  const images = (await world.api.get('/v1/images')) as { id: number; name: string; tags: string }[]
  const found = images.find(({ name }) => name === called)
  if (found === undefined) throw new Error(`there is no image ${called}`)
  return found
}
const imageId = async (called: string): Promise<number> => (await image(called)).id
const tagsOf = async (called: string): Promise<string[]> => (await image(called)).tags.split(' ')
const job = async (id: string): Promise<JobShown> => (await world.api.get(`/v1/jobs/${id}`)) as JobShown
const logOf = async (id: string): Promise<string> => (await job(id)).log.map(({ text }) => text).join('\n')
const untilState = (id: string, state: string): Promise<void> =>
  until(`job ${id} to be ${state}`, async () => (await job(id)).state === state, 60_000)
const untilSaid = (id: string, text: string): Promise<void> =>
  until(`job ${id} to say "${text}"`, async () => (await logOf(id)).includes(text), 60_000)

/** Previews, and returns the words that begin it. */
async function preview(words: string): Promise<{ id: string; run: string; text: string }> {
  const text = await world.qa(`di roll-out ${words}`)
  const [, run = '', id = ''] = /qa (job run -f id=(\d+) token=\w+)/.exec(text) ?? []
  return { id, run, text }
}
async function begin(words: string): Promise<string> {
  const { id, run } = await preview(words)
  await world.qa(run)
  return id
}

test('a preview says what would happen to whom, and nothing happens', async () => {
  const { id, text } = await preview('di=two canary=10% wave=10 pause=1s')
  expect(text).toContain('two instead of one for the tag default: 30 VMs, 4 waves')
  expect(text.match(/is started anew at once/g)).toHaveLength(DESKTOPS)
  expect((await job(id)).state).toBe('previewed')
  expect(await allRun('one')).toBe(true)
})

test('a preview that no longer holds is not run', async () => {
  const { run } = await preview('di=two pause=0s')
  const stale = { code: 'job.stale' }
  await expect(world.qa(run.replace(/token=.*/, 'token=other'))).rejects.toMatchObject(stale)
  await world.addUser('late', 'crowd')
  await expect(world.qa(run)).rejects.toMatchObject(stale)
  await world.qa('vm edit -f name=late di_tag=head')
  await world.qa(`di tag di_id=${await imageId('three')} tag=default`)
  await expect(world.qa(run)).rejects.toMatchObject(stale)
  await world.qa(`di tag di_id=${await imageId('one')} tag=default`)
  await world.qa('di block -f name=two')
  await expect(world.qa(run)).rejects.toMatchObject({ code: 'image.unusable' })
  await world.qa('di unblock -f name=two')
  expect(await allRun('one')).toBe(true)
})

test('an image goes to the canary, then wave by wave, and the tag with the last', async () => {
  const { id, run } = await preview('di=two canary=10% wave=10 pause=1s')
  const said = await world.qa(`${run} --watch`)
  expect(said).toContain(`job ${id} is done: 30 new of 30`)
  const log = await logOf(id)
  expect(log.match(/wave \d of 4 sent/g)).toEqual([1, 2, 3, 4].map((wave) => `wave ${wave} of 4 sent`))
  expect(await tagsOf('two')).toContain('default')
  expect(await allRun('two')).toBe(true)
  expect((await crowd()).every((row) => row.expire_soft === null && row.expire_hard === null)).toBe(true)
}, 120_000)

test('an image that does not boot stops at the canary: its tag never moves, and all are as before', async () => {
  const { id, run } = await preview('di=stillborn canary=10% wave=10 pause=1s')
  const failed = await world.qa(`${run} --watch`).catch((error: unknown) => error)
  expect(failed).toMatchObject({ code: 'job.failed', detail: { state: 'rolled back' } })
  const { log, items, reason } = await job(id)
  expect(reason).toMatch(/did not start: crowd\d+ \(the desktop ended before its agent answered\)/)
  expect(log.map(({ text }) => text).join()).not.toContain('wave 2')
  expect(items.every(({ state }) => state === 'old')).toBe(true)
  expect(await tagsOf('two')).toContain('default')
  expect(await allRun('two')).toBe(true)
}, 120_000)

test('starts that fail after the tag has moved move it back, and all run the old image again', async () => {
  const id = await begin('di=fickle canary=0 wave=100% pause=5s stop-on=3')
  await untilState(id, 'rolled back')
  const log = await logOf(id)
  expect(log).toContain('wave 1 of 1 sent; the tag default stands for the new image')
  expect(log).toContain('the tag default stands for the old image again')
  expect(await tagsOf('two')).toContain('default')
  expect(await allRun('two')).toBe(true)
}, 120_000)

test('so many failures as are allowed do not end it', async () => {
  const id = await begin('di=fickle canary=0 wave=100% pause=3s stop-on=30')
  await untilState(id, 'done')
  const { items } = await job(id)
  const failed = items.filter(({ state }) => state === 'failed').map(({ vm }) => vm)
  expect(failed.length).toBeGreaterThan(0)
  expect(items.every(({ state }) => state === 'new' || state === 'failed')).toBe(true)
  // They fail again or not: what counts is that they are told of. All go on to the next image.
  for (const name of failed) await world.qa(`vm edit -f name=${name} di_tag=two`)
  for (const name of failed) await world.qa(`vm start -f name=${name}`)
  for (const name of failed) await world.untilVm(name, 'running')
  for (const name of failed) await world.qa(`vm edit -f name=${name} di_tag=default`)
}, 120_000)

test('hkd is killed in every phase, and another one goes on', async () => {
  const again = async (): Promise<void> => {
    await world.node.crash('hkd')
    await world.node.start('hkd')
  }
  const { id, run } = await preview('di=three canary=3 wave=14 pause=2s')
  await world.qa(run)
  await again()
  for (const wave of [1, 2, 3]) {
    await untilSaid(id, `wave ${wave} of 3 sent`)
    await again()
  }
  await until('all to be new', async () => (await job(id)).progress.startsWith('30 new'), 60_000)
  await again()
  await untilState(id, 'done')
  expect((await logOf(id)).match(/wave \d of 3 sent/g)).toHaveLength(3)
  expect(await tagsOf('three')).toContain('default')
  expect(await allRun('three')).toBe(true)
}, 180_000)

test('hkd is killed on the way back, and another one brings all back', async () => {
  const id = await begin('di=stillborn canary=0 wave=15 pause=1s stop-on=1')
  await untilSaid(id, 'rolled back, since')
  await world.node.crash('hkd')
  await world.node.start('hkd')
  await untilState(id, 'rolled back')
  expect((await logOf(id)).match(/rolled back, since/g)).toHaveLength(1)
  expect(await tagsOf('three')).toContain('default')
  expect(await allRun('three')).toBe(true)
}, 120_000)

test('it is paused, resumed, and stopped, which takes everything back; meanwhile its tag is its own', async () => {
  const id = await begin('di=four canary=2 wave=10 pause=1s')
  await untilSaid(id, 'wave 2 of 4 sent')
  await world.qa(`job pause -f id=${id}`)
  const open = { code: 'rollOut.open' }
  await expect(world.qa(`di tag di_id=${await imageId('two')} tag=default`)).rejects.toMatchObject(open)
  await expect(preview('di=two')).rejects.toMatchObject(open)
  await expect(world.qa(`di del -f id=${await imageId('four')}`)).rejects.toMatchObject({
    code: 'image.inUse',
  })
  await expect(world.qa(`job pause -f id=${id}`)).rejects.toMatchObject({ code: 'job.state' })
  expect(await logOf(id)).not.toContain('wave 3')
  await world.qa(`job resume -f id=${id}`)
  await untilSaid(id, 'wave 3 of 4 sent')
  await world.qa(`job stop -f id=${id}`)
  await untilState(id, 'rolled back')
  expect(await tagsOf('three')).toContain('default')
  expect(await allRun('three')).toBe(true)
  expect(await world.qa('job list')).toContain('stopped by administrator')
}, 120_000)

test('where nobody runs, one is started to try the image, and stopped again', async () => {
  await world.qa('osf add name=rest memory=64')
  for (const name of ['rest-one', 'rest-two']) await world.qa(`di add name=${name} osf=rest kind=instant`)
  for (const name of ['ann', 'bob']) await world.addUser(name, 'rest')
  const { id, run, text } = await preview('di=rest-two canary=1 wave=5 pause=1s')
  expect(text).toContain('is started to try it')
  expect(text).toContain('gets it at its next start')
  await world.qa(`${run} --watch`)
  await world.untilVm('ann', 'stopped')
  expect(await world.qa('vm explain -f name=ann')).toContain('agentUp')
  expect(await world.qa('vm explain -f name=bob')).not.toContain('agentUp')
  expect((await job(id)).progress).toBe('2 new of 2')
}, 60_000)
