import { Secret as TotpSecret, TOTP } from 'otpauth'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Directory } from '../fixtures/directory.ts'
import { type DoorAnswer, askDoor } from '../fixtures/door-connection.ts'
import { DoorRoom } from '../fixtures/door-room.ts'
import { person, PEOPLE_BASE, unit } from '../fixtures/ldap-people.ts'
import { until } from '../fixtures/world.ts'

const SECRET = new TotpSecret({ size: 20 })
const INTERVAL_MS = 30_000

let directory: Directory
let room: DoorRoom

beforeAll(async () => {
  directory = await Directory.start({
    ldif: [
      unit('people'),
      unit('guests', PEOPLE_BASE),
      person('ann', {
        objectClass: ['posixAccount'],
        uidNumber: '5001',
        gidNumber: '6001',
        homeDirectory: '/home/ann',
      }),
      person('new', {}),
      person('twin', {}),
      person('twin', { userPassword: 'pw-other' }, `uid=twin,ou=guests,${PEOPLE_BASE}`),
    ].join('\n'),
  })
  room = await DoorRoom.open({
    'l7r.auth.plugins.head': 'TOTP,auto,ldap',
    'auth.ldap.host': `ldap://127.0.0.1:${directory.port}`,
    'auth.ldap.base': PEOPLE_BASE,
    'auth.ldap.scope': 'sub',
    'auth.auto.osf_id': '1',
    'auth.auto.di_tag': 'spring',
    'l7r.auth.limit.pair': '0',
  })
  await room.addUsers(['sue'], 'hush')
})
afterAll(async () => {
  await room[Symbol.asyncDispose]()
  await directory[Symbol.asyncDispose]()
})

function ask(path: string, login: string, password: string, more = ''): Promise<DoorAnswer> {
  const credentials = Buffer.from(`${login}:${password}`).toString('base64')
  return askDoor(room, `GET ${path} HTTP/1.1\nAuthorization: Basic ${credentials}\n${more}\n`)
}

const list = (login: string, password: string): Promise<DoorAnswer> => ask('/qvd/list_of_vm', login, password)

test('C-96 two matching entries are refused; the found DN is bound; uidNumber reaches the session', async () => {
  for (const password of ['pw-twin', 'pw-other']) expect((await list('twin', password)).status).toBe(401)
  expect((await list('ann', 'wrong')).status).toBe(401)
  expect((await list('ann', 'pw-ann')).status).toBe(200)
  const { id, guest } = await room.addDesktop('ann', 'ann-office')
  const upgrade = 'Connection: Upgrade\nUpgrade: QVD/1.0\n'
  expect((await ask(`/qvd/connect_to_vm?id=${id}`, 'ann', 'pw-ann', upgrade)).status).toBe(101)
  expect(guest.starts).toMatchObject([
    { parameters: { 'qvd.vm.user.name': 'ann', 'qvd.vm.user.uid': '5001', 'qvd.vm.user.gid': '6001' } },
  ])
})

test('C-97 the first sign-in makes user and desktop with flavour and tag, once; the second makes nothing', async () => {
  const racing = await Promise.all(Array.from({ length: 10 }, () => list('new', 'pw-new')))
  expect(racing.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200))
  const again = JSON.parse((await list('new', 'pw-new')).body) as { name: string }[]
  expect(again).toMatchObject([{ name: 'new-1' }])
  expect(again).toHaveLength(1)
  const row = await room.db
    .selectFrom('vm')
    .select(['flavour_id', 'di_tag'])
    .where('name', '=', 'new-1')
    .executeTakeFirstOrThrow()
  expect(row).toEqual({ flavour_id: 1, di_tag: 'spring' })
})

test('C-98 password and code pass, also with the code before; an older one, and no code, do not', async () => {
  const { id } = await room.db
    .selectFrom('users')
    .select('id')
    .where('login', '=', 'sue')
    .executeTakeFirstOrThrow()
  await room.db
    .insertInto('user_property')
    .values({ user_id: id, key: 'l7r.auth.plugin.totp.secret32', value: SECRET.base32 })
    .execute()
  const totp = new TOTP({ secret: SECRET })
  const codeAt = (stepsAgo: number): string =>
    totp.generate({ timestamp: Date.now() - stepsAgo * INTERVAL_MS })
  // A step that begins while we ask would make each code one older.
  await until('the step to be young', () => Date.now() % INTERVAL_MS < 20_000, INTERVAL_MS)
  expect((await list('sue', 'hush')).status).toBe(401)
  expect((await list('sue', `hush${codeAt(2)}`)).status).toBe(401)
  expect((await list('sue', `wrong${codeAt(0)}`)).status).toBe(401)
  expect((await list('sue', `hush${codeAt(1)}`)).status).toBe(200)
  expect((await list('sue', `hush${codeAt(0)}`)).status).toBe(200)
  // Her client's second connection shows the same; from elsewhere it is spent.
  expect((await list('sue', `hush${codeAt(0)}`)).status).toBe(200)
  const elsewhere = `GET /qvd/list_of_vm HTTP/1.1\nAuthorization: Basic ${Buffer.from(`sue:hush${codeAt(0)}`).toString('base64')}\n\n`
  expect((await askDoor(room, elsewhere, '127.0.0.9')).status).toBe(401)
})
