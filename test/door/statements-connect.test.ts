import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, UPGRADE } from '../fixtures/door.ts'
import { askDoor, type DoorAnswer, DoorConnection } from '../fixtures/door-connection.ts'
import { NodeDatabase } from '../fixtures/node-database.ts'
import { makeSitePlugins, type SitePlugins } from '../fixtures/site-plugins.ts'
import { PASSWORD, startWorld, until, type World } from '../fixtures/world.ts'

/** Statements of compatibility page 12 about the way to one's own desktop, up to the moment when it is opened. */

let world: World
let database: NodeDatabase
let plugins: SitePlugins
let ann: number
let bob: number
let shut: number

/** Knows where everybody works. */
const DEPARTMENT = `export default ({ settings }) => ({
  authenticate: ({ login, password, environment }) => Promise.resolve(
    login === 'ann' && password.reveal() === 'from the site'
      ? { kind: 'accept', parameters: { 'custom.department': settings.name, 'custom.seat': environment.get('seat') ?? '' } }
      : { kind: 'abstain' }),
})`

beforeAll(async () => {
  plugins = makeSitePlugins({ department: DEPARTMENT })
  world = await startWorld({
    'l7r.auth.limit.pair': '0',
    'l7r.auth.limit.address': '0',
    'l7r.auth.limit.user': '0',
    'l7r.auth.plugins.head': 'department',
    'l7r.auth.plugin.department.name': 'sales',
    'path.l7r.auth.plugins': plugins.folder,
  })
  database = world.scope.own(new NodeDatabase(world))
  ann = await world.addUser('ann')
  bob = await world.addUser('bob')
  await world.qa('osf add name=second')
  await world.qa('vm add name=shut user=ann osf=second')
  shut = (await world.vm('shut')).id
  await database.db.updateTable('vm').set({ blocked: true }).where('id', '=', shut).execute()
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  plugins[Symbol.dispose]()
})

const UNKNOWN = 99_999
const to = (id: number | string, more = ''): string => `/qvd/connect_to_vm?id=${id}${more}`
const upgrade = (path: string, login = 'ann', password = PASSWORD): string =>
  get(path, login, UPGRADE, password)

/** What was written about a desktop: nothing, unless somebody was let in. */
async function traces(vmId: number): Promise<{ seats: number; wishes: number }> {
  const seats = await database.db.selectFrom('seat').select('epoch').where('vm_id', '=', vmId).execute()
  const wishes = await database.db.selectFrom('wish').select('number').where('vm_id', '=', vmId).execute()
  return { seats: seats.length, wishes: wishes.length }
}

/** A whole answer, as clients insist on it: a body that is not empty, with its length, behind its head in TLS records of their own. */
function expectFault(answer: DoorAnswer, status: number, body: string): void {
  expect(answer).toMatchObject({ status, body: `${body}\r\n` })
  // On a slow machine a client hears that she is being signed in.
  expect(answer.interims.filter((text) => text !== 'Signing in')).toEqual([])
  expect(answer.headers.get('Content-Type')).toBe('text/plain')
  expect(answer.headers.get('Content-Length')).toBe(String(answer.body.length))
  expect(answer.records).toEqual([answer.raw.slice(0, -answer.body.length), answer.body])
}

const NEEDS_UPGRADE = 'this address needs an upgrade to QVD/1.0'
const NOBODY = 'The requested virtual machine does not exist'

describe('headers', () => {
  test('C-29 connect without upgrade headers gives 426', async () => {
    expectFault(await askDoor(world, get(to(ann), 'ann')), 426, NEEDS_UPGRADE)
  })

  test.each([
    ['Upgrade: QVD/2.0', ['Connection: Upgrade', 'Upgrade: QVD/2.0']],
    ['Upgrade: websocket', ['Connection: Upgrade', 'Upgrade: websocket']],
    ['an empty Upgrade', ['Connection: Upgrade', 'Upgrade: ']],
    ['Connection alone', ['Connection: Upgrade']],
    ['Upgrade alone', ['Upgrade: QVD/1.0']],
  ])('C-30 %s gives 426', async (_, headers) => {
    expectFault(await askDoor(world, get(to(ann), 'ann', headers)), 426, NEEDS_UPGRADE)
  })

  // 404 is the answer of the step behind. The original knows the first one alone (T2, mended).
  test.each([
    ['as the clients write them', UPGRADE],
    ['with names in lower case', ['connection: Upgrade', 'upgrade: QVD/1.0']],
    ['in the other order', ['Upgrade: QVD/1.0', 'Connection: Upgrade']],
    ['in a list', ['Connection: keep-alive, Upgrade', 'Upgrade: QVD/1.0']],
    ['in a list, in lower case', ['Connection: upgrade', 'Upgrade: QVD/1.0']],
  ])('C-30 Upgrade: QVD/1.0 and Connection: Upgrade are accepted %s', async (_, headers) => {
    expectFault(await askDoor(world, get(to(UNKNOWN), 'ann', headers)), 404, NOBODY)
  })
})

describe('parameters', () => {
  test.each([
    '/qvd/connect_to_vm',
    '/qvd/connect_to_vm?',
    '/qvd/connect_to_vm?id=',
    '/qvd/connect_to_vm?ID=1',
  ])('C-31 %s gives 422 "parameter id is missing"', async (path) => {
    expectFault(await askDoor(world, upgrade(path)), 422, 'parameter id is missing')
  })

  test('C-31 file_name, which 3.x took for an id, gives 422', async () => {
    const answer = await askDoor(world, upgrade('/qvd/connect_to_vm?file_name=letter.odt'))
    expectFault(answer, 422, 'parameter id is missing')
  })

  test.each([
    ['foo=1', 'foo'],
    ['foo=1&bar=2', 'foo, bar'],
    ['qvd.slave.key=x', 'qvd.slave.key'],
    ['qvd.vm.user.name=root', 'qvd.vm.user.name'],
    ['qvd.client=1', 'qvd.client'],
    ['qvd%2Evm%2Euser%2Ename=root', 'qvd.vm.user.name'],
    ['auth_token=x', 'auth_token'],
    ['host_address=x', 'host_address'],
    ['customs.foo=1', 'customs.foo'],
  ])('C-32 %s gives 403 "Invalid parameters %s"', async (query, names) => {
    expectFault(await askDoor(world, upgrade(to(ann, `&${query}`))), 403, `Invalid parameters ${names}`)
  })

  test.each(['custom.foo=1', 'qvd.client.foo=1', 'custom.=1', 'qvd.client.a.b.c=%C3%A4&custom.x=a+b'])(
    'C-32 %s passes',
    async (query) => {
      expectFault(await askDoor(world, upgrade(to(UNKNOWN, `&${query}`))), 404, NOBODY)
    },
  )

  test.each([
    ['qvd.client.geometry', 'huge'],
    ['qvd.client.link', 'lan,accept=1'],
    ['qvd.client.keyboard', 'pc105/en,x=1'],
    ['qvd.client.fullscreen', 'yes'],
    ['qvd.client.os', 'li%20nux'],
  ])('T27 a value that would begin an option of its own is refused: %s=%s', async (name, value) => {
    const answer = await askDoor(world, upgrade(to(ann, `&${name}=${value}`)))
    expectFault(answer, 400, `invalid request: invalid characters in parameter ${name}`)
  })
})

describe('whose desktop it is', () => {
  test.each([
    ['everything right but the credentials', get(to(1), undefined, UPGRADE)],
    ['no upgrade headers', get(to(1))],
    ['no id', get('/qvd/connect_to_vm', undefined, UPGRADE)],
    ['neither', get('/qvd/connect_to_vm')],
    ['a parameter that is refused', get(to(1, '&foo=1'), undefined, UPGRADE)],
    ['a wrong password', upgrade(to(1), 'ann', 'wrong')],
    ['a wrong password and nothing else right', get('/qvd/connect_to_vm?foo', 'ann', [], 'wrong')],
  ])('C-33 connect with %s gives 401', async (_, request) => {
    const answer = await askDoor(world, request)
    expectFault(answer, 401, 'the user name or the password is wrong')
    expect(answer.headers.get('WWW-Authenticate')).toBe('Basic realm="QVD"')
  })

  test.each([UNKNOWN, 0, 'x', '-1', '1e0', '0x1', '99999999999999999999', '%31%00'])(
    'C-34 there is no desktop %j: 404 with a head and a body (T13, mended)',
    async (id) => {
      const answer = await askDoor(world, upgrade(to(encodeURIComponent(decodeURIComponent(String(id))))))
      expectFault(answer, 404, NOBODY)
    },
  )

  test('C-35 a blocked desktop gives 403 mentioning maintenance (T13, mended)', async () => {
    const text = 'The requested virtual machine is offline for maintenance'
    expectFault(await askDoor(world, upgrade(to(shut))), 403, text)
    expect(await traces(shut)).toEqual({ seats: 0, wishes: 0 })
  })

  test("C-36 somebody else's desktop is never opened, and nothing is written about it (T13, T16)", async () => {
    // 403 and not the original's 503, which told clients to try again (T13).
    const text = 'You are not allowed to access requested virtual machine'
    expectFault(await askDoor(world, upgrade(to(bob))), 403, text)
    expectFault(await askDoor(world, upgrade(to(shut), 'bob')), 403, text)
    expect(await traces(bob)).toEqual({ seats: 0, wishes: 0 })
  })

  test('T17 a token that is bound to a desktop opens no other', async () => {
    const { body } = await askDoor(world, get('/qvd/create_auth_token', 'ann'))
    const { auth_token: token } = JSON.parse(body) as { auth_token: string }
    const digest = createHash('sha256').update(Buffer.from(token, 'base64')).digest()
    await database.db.updateTable('user_token').set({ vm_id: shut }).where('digest', '=', digest).execute()
    const withToken = (path: string): string =>
      get(path, undefined, [`Authorization: Bearer ${token}`, ...UPGRADE])
    const refused = 'You are not allowed to access requested virtual machine'
    expectFault(await askDoor(world, withToken(to(ann))), 403, refused)
    expectFault(await askDoor(world, withToken(`/qvd/stop_vm?id=${ann}`)), 403, refused)
    // Its own is as open as it would be without.
    const blocked = 'The requested virtual machine is offline for maintenance'
    expectFault(await askDoor(world, withToken(to(shut))), 403, blocked)
    expect(await traces(ann)).toEqual({ seats: 0, wishes: 0 })
  })

  test('T15 connect heeds the state of the node, behind the login and before the rest', async () => {
    const connects = (text: string) => async (): Promise<boolean> =>
      (await askDoor(world, get('/qvd/connect_to_vm', 'ann'))).body === `${text}\r\n`
    for (const [row, text] of [
      [{ blocked: true }, 'Server is blocked'],
      [{ blocked: false, state: 'starting' }, 'Server is starting'],
    ] as const) {
      await database.setHost(row)
      await until(`connect to say ${text}`, connects(text))
      expectFault(await askDoor(world, upgrade(to(ann))), 503, text)
      expectFault(
        await askDoor(world, upgrade(to(ann), 'ann', 'wrong')),
        401,
        'the user name or the password is wrong',
      )
    }
    await database.setHost({ blocked: false, state: 'running' })
    await until('the node to be open', connects(NEEDS_UPGRADE))
    expect(await traces(ann)).toEqual({ seats: 0, wishes: 0 })
  })
})

describe('a desktop that is opened', () => {
  beforeAll(async () => {
    await world.qa('vm start -f name=ann')
    await world.untilVm('ann', 'running')
  })

  test('C-99 parameters of a site plugin reach the hooks, and win over what the client says', async () => {
    const hook = '#!/bin/sh\\necho "$*" > /run/said\\n'
    const install = `printf '${hook}' > /etc/ostler/hook && chmod 755 /etc/ostler/hook &&
      echo 'vma.on_action.connect = /etc/ostler/hook' >> /etc/ostler/vma.conf`
    await world.inside(ann, ['sh', '-c', install])
    process.kill(world.processOf(ann, 'vma.cjs'), 'SIGHUP')
    const heard = ['sh', '-c', 'grep -c "configuration read again" /var/log/ostler/qvd.log || true']
    await until('the agent to read it', async () => Number(await world.inside(ann, heard)) > 0)

    using connection = await DoorConnection.open(world)
    const shared = `Auth-${Buffer.from('seat').toString('hex')}: ${Buffer.from('4b').toString('base64')}`
    const path = to(ann, '&custom.department=director&custom.floor=4')
    const answer = await connection.ask(get(path, 'ann', [...UPGRADE, shared], 'from the site'))
    expect(answer.status).toBe(101)
    const said = await world.inside(ann, ['cat', '/run/said'])
    for (const pair of [
      'custom.department sales',
      'custom.seat 4b',
      'custom.floor 4',
      'qvd.vm.user.name ann',
    ])
      expect(said).toContain(`${pair} `)
    expect(said).not.toContain('director')
  })

  test('C-38 C-40 C-41 interim heads with X-QVD-VM-Info alone, then 101 with a key, then silence', async () => {
    using connection = await DoorConnection.open(world)
    const answer = await connection.ask(upgrade(to(ann)))
    expect(answer.interims).toEqual([
      `Session acquired for VM_ID: ${ann}`,
      `Starting X session at VM ${ann}`,
      `Connecting X session for VM_ID: ${ann}`,
      'Connection established',
    ])
    const interim = /HTTP\/1\.1 102 Processing\r\nX-QVD-VM-Info: [^\r\n]+\r\n\r\n/g
    expect(answer.raw.replace(interim, '')).toBe(answer.raw.slice(answer.raw.indexOf('HTTP/1.1 101')))
    expect([answer.status, answer.reason]).toEqual([101, 'Switching Protocols'])
    expect(answer.headers.get('X-QVD-Slave-Key')).toMatch(/^[A-Za-z0-9]{64}$/)
    expect([...answer.headers.keys()]).not.toContain('Content-Length')
    expect(connection.pending).toBe('')
    connection.send('NXPROXY-3.5.0-3.5.99 stream=default,data=default ')
    expect(await connection.bytes((text) => text.length >= 12)).toMatch(/^NXPROXY-3\.5/)
  })

  test('a multi-use token opens a desktop on its second connection (T18)', async () => {
    const { body } = await askDoor(world, get('/qvd/create_auth_token', 'ann'))
    const { auth_token: token } = JSON.parse(body) as { auth_token: string }
    const header = `Authorization: Bearer ${token}`
    using first = await DoorConnection.open(world)
    expect((await first.ask(get('/qvd/list_of_vm', undefined, [header]))).status).toBe(200)
    using second = await DoorConnection.open(world)
    expect((await second.ask(get(to(ann), undefined, [header, ...UPGRADE]))).status).toBe(101)
  })

  test('a bound token opens its own desktop', async () => {
    const { body } = await askDoor(world, get('/qvd/create_auth_token', 'ann'))
    const { auth_token: token } = JSON.parse(body) as { auth_token: string }
    const digest = createHash('sha256').update(Buffer.from(token, 'base64')).digest()
    await database.db.updateTable('user_token').set({ vm_id: ann }).where('digest', '=', digest).execute()
    const request = get(to(ann), undefined, [`Authorization: Bearer ${token}`, ...UPGRADE])
    using connection = await DoorConnection.open(world)
    expect((await connection.ask(request)).status).toBe(101)
  })
})
