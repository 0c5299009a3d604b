import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openRfb } from '../fixtures/door.ts'
import { startWorld, until, type World } from '../fixtures/world.ts'

let world: World
let homefs: string
beforeAll(async () => {
  world = await startWorld()
  homefs = join(world.node.settings.folder, 'state/storage/homefs')
})
afterAll(async () => await world[Symbol.asyncDispose]())

interface Listed {
  id: number
  user: string
  osf: string
  path: string
  state: string
  now: string | null
  trouble: string | null
  limit_mb: number
}

async function homes(): Promise<Listed[]> {
  return (await world.api.get('/v1/homes')) as Listed[]
}

async function homeOf(user: string): Promise<Listed> {
  const found = (await homes()).find((home) => home.user === user && home.state !== 'trash')
  if (found === undefined) throw new Error(`${user} has no home`)
  return found
}

async function start(name: string): Promise<void> {
  await world.qa(`vm start -f name=${name}`)
  await world.untilVm(name, 'running')
}

async function stop(name: string): Promise<void> {
  await world.qa(`vm stop -f name=${name}`)
  await world.untilVm(name, 'stopped')
}

async function untilSettled(): Promise<void> {
  await until('homes to have been moved', async () => (await homes()).every(({ now }) => now === null))
}

test('who is removed and added again gets an empty home, and her old one when an administrator says so', async () => {
  await world.addUser('ann')
  await start('ann')
  expect(await homeOf('ann')).toMatchObject({ path: 'ann-1', state: 'in use' })
  writeFileSync(join(homefs, 'ann-1/kept'), 'mine')
  await expect(world.qa('user del -f login=ann')).rejects.toMatchObject({
    code: 'object.inUse',
    message: 'user ann is not removed: her desktop ann is running',
  })
  await stop('ann')
  const { id } = await homeOf('ann')
  const said = await world.qa('user del -f login=ann')
  const until30 = new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 7)
  expect(said).toMatch(/^user ann deleted with 1 desktops\nits home ann-1 is kept until \d{4}-\d\d-\d\d at /)
  expect(said).toContain(`until ${until30}`)
  expect(said).toContain(`${homefs}/trash/${id}-ann-1: qa home restore -f id=${id}`)
  await untilSettled()
  expect(readFileSync(join(homefs, `trash/${id}-ann-1/kept`), 'utf8')).toBe('mine')

  await world.addUser('ann')
  await start('ann')
  const fresh = await homeOf('ann')
  expect(fresh.id).not.toBe(id)
  expect(existsSync(join(homefs, fresh.path, 'kept'))).toBe(false)
  await expect(world.qa(`home restore -f id=${id} user=ann`)).rejects.toThrow(/desktop ann writes to it/)
  await stop('ann')
  const restored = await world.qa(`home restore -f id=${id} user=ann osf=instant`)
  expect(restored).toMatch(
    new RegExp(`^home ${id} is ann's again, at .*\nits home ${fresh.path} is kept until`),
  )
  await untilSettled()
  await start('ann')
  const hers = await homeOf('ann')
  expect(hers).toMatchObject({ id, state: 'in use' })
  expect(readFileSync(join(homefs, hers.path, 'kept'), 'utf8')).toBe('mine')

  await world.qa(`home purge -f id=${fresh.id}`)
  await until('the other one to be gone', async () => (await homes()).every((home) => home.id !== fresh.id))
  expect(existsSync(join(homefs, `trash/${fresh.id}-${fresh.path}`))).toBe(false)
  expect(await world.qa('home list')).toContain('in use')
}, 120_000)

test('a second desktop of the same user and flavour is not started, and is told which one has the home', async () => {
  await world.qa('vm add name=second user=ann osf=instant')
  await world.qa('vm start -f name=second')
  await until('the start to be refused', async () =>
    (await world.qa('vm explain -f name=second')).includes('desktop ann has the same home, and is running'),
  )
  expect((await world.vm('second')).state).toBe('stopped')
  expect(await world.qa('vm del -f name=second')).toBe('vm second deleted')
  expect((await homeOf('ann')).state).toBe('in use')
})

test('a home that lies there without a row is used only when it is adopted', async () => {
  await world.qa('user add login=eve password=-')
  await world.qa('vm add name=eve user=eve osf=instant')
  mkdirSync(join(homefs, 'eve-1'))
  await world.qa('vm start -f name=eve')
  await world.untilVm('eve', 'failed')
  expect((await world.vm('eve')).fault).toContain(`at ${homefs}/eve-1 lies a home that nobody has`)
  expect(await world.qa('home adopt user=eve osf=instant')).toContain(`${homefs}/eve-1 will be used`)
  await start('eve')
  expect((await homeOf('eve')).path).toBe('eve-1')
  await stop('eve')
}, 60_000)

test('a flavour with a size gives homes of that size, which grow with it', async () => {
  await world.qa('osf add name=small memory=512 user_storage_size=32')
  await world.qa('di add name=small osf=small kind=instant')
  const id = await world.addUser('bob', 'small')
  const client = await openRfb(world, 'bob', id)
  expect(await client.greeting).toMatch(/^RFB/)
  const size = async (): Promise<number> =>
    Number((await world.inside(id, ['df', '--block-size=1M', '--output=size', '/home'])).split('\n')[1])
  const before = await size()
  expect(before).toBeLessThan(33)
  await expect(
    world.inside(id, ['dd', 'if=/dev/zero', 'of=/home/bob/big', 'bs=1M', 'count=64']),
  ).rejects.toThrow(/No space left on device/)
  client.close()
  expect(await homeOf('bob')).toMatchObject({ path: 'bob-2.img', limit_mb: 32 })
  await stop('bob')
  expect(await world.qa('osf edit -f name=small user_storage_size=96')).toContain('Edited 1 OSFs.')
  await start('bob')
  expect(await size()).toBeGreaterThan(before * 2)
  await world.inside(id, ['test', '-e', '/home/bob/big'])
  await stop('bob')
  expect(await world.qa('vm del -f name=bob')).toMatch(/its home bob-2.img is kept until/)
}, 120_000)

test('hkd that was killed finds a desktop with its home locked, and gives it back when the desktop ends', async () => {
  await world.node.crash('hkd')
  await world.node.start('hkd')
  await stop('ann')
  expect((await homeOf('ann')).state).toBe('free')
  await start('ann')
  await stop('ann')
}, 60_000)
