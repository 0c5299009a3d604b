import { afterAll, beforeAll, expect, test } from 'vitest'
import { get, sendRaw } from '../fixtures/door.ts'
import { openViewer, passOf, type Viewer, type ViewerKind } from '../fixtures/viewer.ts'
import { startWorld, until, type World } from '../fixtures/world.ts'

/** A pool of three containers, and more users than desktops. */

const USERS = ['ann', 'bob', 'cleo', 'dan', 'eve']
const SPARE = 3

let world: World
let pool: number
const viewers = new Map<string, Viewer>()

interface Row {
  readonly id: number
  readonly name: string
  readonly state: string
  readonly user: string
}
const desktops = async (): Promise<Row[]> =>
  ((await world.api.get('/v1/desktops')) as Row[]).filter(({ name }) => name.startsWith('office-'))
const desktopOf = async (login: string): Promise<Row | undefined> =>
  (await desktops()).find(({ user }) => user === login)
const listOf = async (login: string): Promise<unknown> => {
  const { text } = await sendRaw(world, get('/qvd/list_of_vm', login))
  return JSON.parse(text.slice(text.indexOf('[')))
}
const heard = (login: string): string => (viewers.get(login)?.heard ?? []).map(({ text }) => text).join('\n')
const open = async (login: string, kind: ViewerKind = 'browser'): Promise<Viewer> => {
  const viewer = openViewer(kind, world, await passOf(world, login), pool)
  viewers.set(login, viewer)
  return viewer
}

beforeAll(async () => {
  world = await startWorld({ 'hkd.vm.starting.max': '3' })
  for (const login of USERS) await world.qa(`user add login=${login} password=-`)
})
afterAll(async () => {
  for (const viewer of viewers.values()) await viewer.leave()
  await world[Symbol.asyncDispose]()
})

test('a pool has its spare desktops running before anybody comes', async () => {
  const said = await world.qa(
    `pool add name=office osf=instant size=${SPARE} spare=${SPARE} users=ann,bob,cleo,dan`,
  )
  pool = Number(/id (\d+)/.exec(said)?.[1])
  await until(
    'the spare ones to run',
    async () => (await desktops()).filter(({ state }) => state === 'running').length === SPARE,
    60_000,
  )
}, 90_000)

test('whoever may use it sees one desktop of its name; nobody else sees any', async () => {
  expect(await listOf('ann')).toEqual([
    { id: pool, name: 'office', state: 'stopped', blocked: 0, is_application: 0 },
  ])
  expect(await listOf('eve')).toEqual([])
  const { text } = await sendRaw(world, get(`/qvd/stop_vm?id=${pool}`, 'eve'))
  expect(text).toMatch(/^HTTP\/1.1 403 /)
})

test('three come at once to three that run, and the fourth waits and knows her place', async () => {
  const three = USERS.slice(0, 3)
  await Promise.all(three.map((login) => open(login)))
  for (const login of three) expect(await viewers.get(login)?.shown, heard(login)).toBeDefined()
  const theirs = await Promise.all(three.map(desktopOf))
  expect(new Set(theirs.map((row) => row?.id)).size).toBe(3)
  const { text } = await sendRaw(world, get(`/qvd/stop_vm?id=${theirs[0]?.id}`, 'bob'))
  expect(text).toMatch(/^HTTP\/1.1 403 /)
  await open('dan', 'nx')
  await until('dan to hear his place', () => /office, position 1/.test(heard('dan')))
  expect(await listOf('ann')).toEqual([
    { id: pool, name: 'office', state: 'running', blocked: 0, is_application: 0 },
  ])
}, 60_000)

test('the next user of a desktop finds nothing of the one before her, also when hkd died meanwhile', async () => {
  const before = await desktopOf('ann')
  const id = before?.id ?? 0
  const secrets = '/home/ann/secret /etc/secret /var/tmp/secret'
  await world.inside(id, ['sh', '-c', `for file in ${secrets}; do echo of ann > $file; done`])
  await viewers.get('ann')?.leave()
  await sendRaw(world, get(`/qvd/stop_vm?id=${pool}`, 'ann'), 3_000)
  await world.node.crash('hkd')
  await world.node.start('hkd')
  await until('dan to come in', () => /Connection established/.test(heard('dan')), 60_000)
  const after = await desktopOf('dan')
  expect(after?.id).toBe(id)
  const now = (path: string): Promise<string> =>
    world.inside(id, ['sh', '-c', `find ${path} -name secret 2>/dev/null; ls /home`])
  expect(await now('/home /etc /var/tmp')).toBe('dan\n')
}, 120_000)

test('a pool that is looked after takes nobody new and says why; who is in stays', async () => {
  const { api } = world
  await api.post('/v1/maintenance/pool/office', { said: 'new disks until noon' })
  expect(await listOf('ann')).toEqual([
    { id: pool, name: 'office', state: 'stopped', blocked: 1, is_application: 0 },
  ])
  const refused = await open('ann', 'nx')
  expect(await refused.ended).toMatchObject({
    status: 403,
    text: expect.stringContaining('new disks until noon') as string,
  })
  expect((await desktopOf('bob'))?.state).toBe('running')
  await world.qa('pool open -f name=office')
  expect(await listOf('ann')).toEqual([
    { id: pool, name: 'office', state: 'stopped', blocked: 0, is_application: 0 },
  ])
}, 60_000)

test('an administrator takes a dedicated desktop back', async () => {
  await world.qa('pool add name=own osf=instant size=1 assign=dedicated users=eve')
  const [item] = (await listOf('eve')) as { id: number }[]
  const viewer = openViewer('browser', world, await passOf(world, 'eve'), item?.id ?? 0)
  expect(await viewer.shown).toBeDefined()
  await viewer.leave()
  await world.qa('vm stop -f name=own-1')
  await world.untilVm('own-1', 'stopped')
  const user = async (): Promise<unknown> =>
    ((await world.api.get('/v1/desktops')) as Row[]).find(({ name }) => name === 'own-1')?.user
  expect(await user()).toBe('eve')
  await world.qa('pool take -f vm=own-1')
  await until('it to be nobody’s', async () => (await user()) !== 'eve')
  await until('it to be gone', () =>
    world.qa('pool edit -f name=own size=0').then((said) => said.includes('has 0 desktops')),
  )
  await world.qa('pool del -f name=own')
}, 90_000)
