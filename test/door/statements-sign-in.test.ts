import { comesToHold } from '@ostler/kit/poll.ts'
import { identify, isAlive, signalProcess } from '@ostler/kit/process-table.ts'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { doorLog, get, sendRaw } from '../fixtures/door.ts'
import { askDoor, type DoorAnswer, DoorConnection } from '../fixtures/door-connection.ts'
import { NodeDatabase } from '../fixtures/node-database.ts'
import { makeSitePlugins, type SitePlugins } from '../fixtures/site-plugins.ts'
import { PASSWORD, startWorld, until, type World } from '../fixtures/world.ts'

/** Statements of compatibility page 12 about ping, lists and who somebody is, over real TLS connections. */

let world: World
let database: NodeDatabase
let plugins: SitePlugins
let ann: number

/** Says whom it was asked about and what came along, and knows nobody. */
const WITNESS = `export default ({ log }) => ({
  authenticate: ({ login, environment, address }) => {
    log.info('asked', { login, address, environment: Object.fromEntries(environment) })
    return Promise.resolve({ kind: 'abstain' })
  },
})`

beforeAll(async () => {
  plugins = makeSitePlugins({ witness: WITNESS, own: WITNESS, last: WITNESS })
  world = await startWorld({
    'l7r.auth.limit.pair': '0',
    'l7r.auth.limit.address': '0',
    'l7r.auth.limit.user': '0',
    'l7r.auth.plugins.head': 'witness',
    'path.l7r.auth.plugins': plugins.folder,
  })
  database = world.scope.own(new NodeDatabase(world))
  ann = await world.addUser('ann')
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  plugins[Symbol.dispose]()
})

const LIST = '/qvd/list_of_vm'
const list = (login?: string, password = PASSWORD, headers: string[] = []): string =>
  get(LIST, login, headers, password)
const authorized = (value: string, path = LIST): string => get(path, undefined, [`Authorization: ${value}`])
const bearer = (token: string): string => `Bearer ${Buffer.from(token).toString('base64')}`

/** A password as QVD stores it (C-94). */
function qvdHash(password: string, salt = 'qvd1234'): string {
  return createHash('sha256').update(`${salt}${password}`).digest('base64').replace(/=+$/, '')
}

/** How often a plugin was asked about a login. */
function asked(login: string, plugin = 'witness') {
  return doorLog(world).filter(
    (line) => line.message === 'asked' && line['plugin'] === plugin && line['login'] === login,
  )
}

async function statusOf(request: string): Promise<number> {
  return (await askDoor(world, request)).status
}

/** A user without a desktop, with a password as QVD would have stored it. */
async function addPerson(login: string, password = PASSWORD, tenantId = 1): Promise<void> {
  await database.db
    .insertInto('users')
    .values({ login, tenant_id: tenantId, password: qvdHash(password) })
    .execute()
}

async function tokenOf(login: string): Promise<{ token: string; encoded: string; digest: Buffer }> {
  const { body } = await askDoor(world, get('/qvd/create_auth_token', login))
  const { auth_token: encoded } = JSON.parse(body) as { auth_token: string }
  const token = Buffer.from(encoded, 'base64').toString()
  return { token, encoded, digest: createHash('sha256').update(token).digest() }
}

const tokenRow = (digest: Buffer) =>
  database.db.selectFrom('user_token').selectAll().where('digest', '=', digest).executeTakeFirst()

const REFUSED = {
  status: 401,
  reason: 'Unauthorized',
  body: 'the user name or the password is wrong\r\n',
}

function expectRefused(answer: DoorAnswer): void {
  expect(answer).toMatchObject(REFUSED)
  expect(saidIn(answer)).toEqual([
    ['Content-Type', 'text/plain'],
    ['Content-Length', String(answer.body.length)],
    ['WWW-Authenticate', 'Basic realm="QVD"'],
  ])
}

/** The headers of an answer but those of the connection, which may stay away or not. */
function saidIn(answer: DoorAnswer): (readonly [string, string])[] {
  return [...answer.headers].filter(
    ([name]) => !['Connection', 'Keep-Alive', 'X-Ostler-Connection', 'X-Ostler-Fault'].includes(name),
  )
}

// First: the totals that it expects are those of a new node.
test('C-12 list with a wrong password gives 401: auth_attempts rises, auth_ok does not', async () => {
  expectRefused(await askDoor(world, list('ann', 'wrong')))
  // Counted after what was counted for the one before: then that is in the database too.
  expectRefused(await askDoor(world, list()))
  await database.untilCounted('http_requests', 0, 2)
  expect(await database.counter('auth_attempts')).toBe(1)
  expect(await database.counter('auth_ok')).toBe(0)

  using connection = await DoorConnection.open(world)
  for (let round = 0; round < 3; round++) expect((await connection.ask(list('ann'))).status).toBe(200)
  expectRefused(await askDoor(world, list()))
  await database.untilCounted('http_requests', 2, 4)
  expect(await database.counter('auth_attempts')).toBe(2)
  expect(await database.counter('auth_ok')).toBe(1)
})

describe('ping', () => {
  test('C-9 ping without credentials gives 200 and "I am alive!" CRLF while the node runs', async () => {
    const answer = await askDoor(world, get('/qvd/ping'))
    expect(answer).toMatchObject({ status: 200, reason: 'OK', body: 'I am alive!\r\n' })
    expect(saidIn(answer)).toEqual([
      ['Content-Type', 'text/plain'],
      ['Content-Length', '13'],
    ])
  })

  /** Changes this node's row, does something, and puts it back; the door has seen each when this goes on. */
  async function whileHost(
    row: Parameters<NodeDatabase['setHost']>[0],
    ping: string,
    action: () => Promise<void>,
  ): Promise<void> {
    const pings = async (text: string): Promise<boolean> =>
      (await askDoor(world, get('/qvd/ping'))).body.trimEnd() === text
    await database.setHost(row)
    try {
      await until(`ping to say ${ping}`, () => pings(ping))
      await action()
    } finally {
      await database.setHost({ name: database.nodename, blocked: false, state: 'running' })
      await until('the node to run again', () => pings('I am alive!'))
    }
  }

  const refusesTheKnown = (body: string) => async (): Promise<void> => {
    expect(await askDoor(world, get('/qvd/ping'))).toMatchObject({ status: 503, body: `${body}\r\n` })
    for (const path of [
      LIST,
      '/qvd/list_of_applications',
      `/qvd/stop_vm?id=${ann}`,
      '/qvd/authenticate_user',
    ])
      expect(await askDoor(world, get(path, 'ann'))).toMatchObject({ status: 503, body: `${body}\r\n` })
    // Strangers learn nothing about the node.
    expectRefused(await askDoor(world, list('ann', 'wrong')))
  }

  test('C-10 ping and list on a blocked node give 503 "Server is blocked", to those whom it knows', async () => {
    await whileHost({ blocked: true }, 'Server is blocked', refusesTheKnown('Server is blocked'))
  })

  test('C-10 ping and list on a stopping node give 503 "Server is stopping"', async () => {
    await whileHost({ state: 'stopping' }, 'Server is stopping', refusesTheKnown('Server is stopping'))
  })

  test('C-19 list on a node whose state is starting gives 503 "Server is starting"', async () => {
    await whileHost({ state: 'starting' }, 'Server is starting', refusesTheKnown('Server is starting'))
  })

  test('a node without a row answers 503 to everybody, before it looks who asks', async () => {
    const text = 'Host is not registered in the database'
    await whileHost({ name: 'another-node' }, text, async () => {
      for (const request of [list(), list('ann', 'wrong'), list('ann')])
        expect(await askDoor(world, request)).toMatchObject({ status: 503, body: `${text}\r\n` })
    })
  })
})

describe('list', () => {
  test.each([
    ['no Authorization', list()],
    ['an empty one', authorized('')],
    ['an unknown scheme', authorized('Negotiate YWJj')],
    ['Digest', authorized('Digest username="ann"')],
    ['Basic without anything', authorized('Basic')],
    ['what is no base64', authorized('Basic ann:right')],
    ['a login without a colon', authorized(`Basic ${Buffer.from('ann').toString('base64')}`)],
    ['an empty login', authorized(`Basic ${Buffer.from(`:${PASSWORD}`).toString('base64')}`)],
    ['nothing but a tenant', list('@default')],
    ['a control character', authorized(`Basic ${Buffer.from(`ann\0:${PASSWORD}`).toString('base64')}`)],
    ['the C client in bearer mode, which sends "Og=="', authorized('Basic Og==')],
    ['a login of 300 characters', list('a'.repeat(300))],
    ['a password of 10 000 characters', list('ann', 'x'.repeat(10_000))],
    ['an unknown user', list('nobody-here')],
    ['an unknown tenant', list('ann@nowhere')],
  ])('C-11 list with %s gives 401 with WWW-Authenticate: Basic realm="QVD"', async (_, request) => {
    using connection = await DoorConnection.open(world)
    expectRefused(await connection.ask(request))
    // The connection lives: clients ask again on it.
    expect((await connection.ask(list('ann'))).status).toBe(200)
  })

  test('C-13 list with the right password gives 200 and objects with the types that clients insist on', async () => {
    const answer = await askDoor(world, list('ann'))
    expect(answer.status).toBe(200)
    expect(saidIn(answer)).toEqual([
      ['Content-Type', 'application/json'],
      ['Content-Length', String(answer.body.length)],
    ])
    expect(JSON.parse(answer.body)).toEqual([
      { id: ann, state: 'stopped', name: 'ann', blocked: 0, is_application: 0 },
    ])
    // Indented by three blanks, and a line feed at the end.
    expect(answer.body).toMatch(/^\[\n {3}\{\n {6}"/)
    expect(answer.body).toMatch(/\]\n$/)
  })

  test('C-13 a blocked desktop is listed with blocked 1', async () => {
    const id = await world.addUser('bea')
    await database.db.updateTable('vm').set({ blocked: true }).where('id', '=', id).execute()
    expect(JSON.parse((await askDoor(world, list('bea'))).body)).toMatchObject([{ id, blocked: 1 }])
  })

  test('C-14 a user without a desktop gets []', async () => {
    await addPerson('cleo')
    const answer = await askDoor(world, list('cleo'))
    expect({ status: answer.status, value: JSON.parse(answer.body) as unknown }).toEqual({
      status: 200,
      value: [],
    })
  })

  test('C-15 a desktop of an application flavour is in the list of applications alone', async () => {
    await world.qa('osf add name=editor')
    await database.setFlavour('editor', { is_application: true })
    await world.addUser('dora')
    await world.qa('vm add name=dora-editor user=dora osf=editor')
    const names = async (path: string): Promise<unknown> =>
      (
        JSON.parse((await askDoor(world, get(path, 'dora'))).body) as {
          name: string
          is_application: number
        }[]
      ).map(({ name, is_application }) => [name, is_application])
    expect(await names(LIST)).toEqual([['dora', 0]])
    expect(await names('/qvd/list_of_applications')).toEqual([['dora-editor', 1]])
  })

  test('C-16 the same credentials on the same connection are not checked again', async () => {
    await addPerson('emma')
    using connection = await DoorConnection.open(world)
    for (let round = 0; round < 4; round++) expect((await connection.ask(list('emma'))).status).toBe(200)
    expect((await connection.ask(get('/qvd/list_of_applications', 'emma'))).status).toBe(200)
    expect(asked('emma')).toHaveLength(1)
    expect(await statusOf(list('emma'))).toBe(200)
    expect(asked('emma')).toHaveLength(2)
  })

  test('C-16 a user who is blocked meanwhile is out within seconds, also on a connection that was let in', async () => {
    await addPerson('fay')
    using connection = await DoorConnection.open(world)
    expect((await connection.ask(list('fay'))).status).toBe(200)
    await database.setUser('fay', { blocked: true })
    await until(
      'the connection to be refused',
      async () => (await connection.ask(list('fay'))).status === 401,
    )
    expect(asked('fay')).toHaveLength(1)
  })

  test('C-17 other credentials on the same connection are checked in full, and none is let in by the first', async () => {
    await addPerson('gina')
    using connection = await DoorConnection.open(world)
    expect((await connection.ask(list('ann'))).status).toBe(200)
    const before = asked('gina').length
    expectRefused(await connection.ask(list('gina', 'wrong')))
    expect(asked('gina')).toHaveLength(before + 1)
    expect(JSON.parse((await connection.ask(list('gina'))).body)).toEqual([])
    expectRefused(await connection.ask(list()))
    expectRefused(await connection.ask(authorized('Basic Og==')))
    expect(JSON.parse((await connection.ask(list('ann'))).body)).toHaveLength(1)
  })

  test.each(['/qvd/list_of_vm?', '/qvd/list_of_vm?file_name=letter.odt', '/qvd/list_of_vm?a&b=&=c&&%zz=%'])(
    'C-18 %s works',
    async (path) => {
      expect(await statusOf(get(path, 'ann'))).toBe(200)
    },
  )
})

describe('who somebody is', () => {
  test('C-20 a password keeps everything after the first colon', async () => {
    await addPerson('hana', 'a:b::c:')
    expect(await statusOf(list('hana', 'a:b::c:'))).toBe(200)
    for (const wrong of ['a', 'a:b', 'a:b::c']) expectRefused(await askDoor(world, list('hana', wrong)))
  })

  test('C-20 a password may hold blanks and letters beyond ASCII', async () => {
    await addPerson('iris', ' grüße, 世界 ')
    expect(await statusOf(list('iris', ' grüße, 世界 '))).toBe(200)
    expect(await statusOf(list('iris', 'grüße, 世界'))).toBe(401)
  })

  test('C-22 Auth-666f6f: YmFy reaches plugins as foo=bar, with the first request of a connection (T9)', async () => {
    await addPerson('jane')
    using connection = await DoorConnection.open(world)
    const shared = ['Auth-666f6f: YmFy', `Auth-${Buffer.from('gerät-1').toString('hex')}: w6Q=`]
    expect((await connection.ask(list('jane', PASSWORD, shared))).status).toBe(200)
    expect((await connection.ask(list('jane'))).status).toBe(200)
    expect((await connection.ask(list('jane', PASSWORD, ['Auth-666f6f: YmF6']))).status).toBe(200)
    expect(asked('jane').map((line) => line['environment'])).toEqual([{ foo: 'bar', 'gerät-1': 'ä' }])
  })

  test('C-22 malformed Auth- headers are left out and harm nobody', async () => {
    await addPerson('kate')
    const headers = [
      'Auth-zz: YmFy',
      'Auth-666: YmFy',
      'Auth-666f6f: no base64!',
      'Auth-: YmFy',
      'Auth-6100: YQ==',
    ]
    expect(await statusOf(list('kate', PASSWORD, headers))).toBe(200)
    expect(asked('kate').map((line) => line['environment'])).toEqual([{}])
  })

  test('C-23 user@tenant, user#tenant and bare user authenticate, each in her own tenant', async () => {
    const acme = await database.addTenant('acme')
    await addPerson('lea', 'at default')
    await addPerson('lea', 'at acme', acme)
    for (const login of ['lea', 'lea@default', 'lea#default', 'lea@DEFAULT', ' lea @default '])
      expect([login, await statusOf(list(login, 'at default'))]).toEqual([login, 200])
    for (const login of ['lea@acme', 'lea#acme', 'lea@Acme'])
      expect([login, await statusOf(list(login, 'at acme'))]).toEqual([login, 200])
    expectRefused(await askDoor(world, list('lea', 'at acme')))
    expectRefused(await askDoor(world, list('lea@acme', 'at default')))
  })

  test.each(['ann@*', 'ann@-', 'admin@*', 'ann@', 'ann@0', 'ann@default@default'])(
    'C-23 %s never authenticates',
    async (login) => {
      expectRefused(await askDoor(world, list(login)))
    },
  )

  test('C-24 the login " ALICE " authenticates as alice, unless case counts', async () => {
    await addPerson('alice')
    expect(await statusOf(list(' ALICE '))).toBe(200)
    expect(asked('alice')).toHaveLength(1)
    const strict = await database.addTenant('strict')
    await addPerson('alice', PASSWORD, strict)
    await database.setConfig('model.user.login.case-sensitive', '1', strict)
    expect(await statusOf(list(' alice @strict'))).toBe(200)
    expectRefused(await askDoor(world, list('ALICE@strict')))
  })

  test('C-25 a blocked user gets 401', async () => {
    await addPerson('mia')
    await database.setUser('mia', { blocked: true })
    expectRefused(await askDoor(world, list('mia')))
  })

  test('C-25 users of a blocked tenant get 401, also by a token', async () => {
    const closed = await database.addTenant('closed')
    await addPerson('nora', PASSWORD, closed)
    const { token } = await tokenOf('nora@closed')
    expect(await statusOf(authorized(bearer(token)))).toBe(200)
    await database.setTenant('closed', { blocked: true })
    expectRefused(await askDoor(world, list('nora@closed')))
    expectRefused(await askDoor(world, authorized(bearer(token))))
  })

  test('C-26 an empty password is refused, even where its hash is stored', async () => {
    await addPerson('olga', '')
    expectRefused(await askDoor(world, list('olga', '')))
    expect(asked('olga')).toEqual([])
  })

  test('every refusal at the portal is the same, byte by byte; the log knows why', async () => {
    await addPerson('rita')
    const answerTo = async (login: string): Promise<string> => {
      const body = JSON.stringify({ login, password: 'surely wrong' })
      const where = `127.0.0.1:${world.port}`
      const head = ['POST /portal/api/sign-in HTTP/1.1', `Host: ${where}`, `Origin: https://${where}`]
      const rest = ['Content-Type: application/json', `Content-Length: ${body.length}`, '', body]
      return (await sendRaw(world, [...head, ...rest].join('\r\n'))).text.replace(
        /^(date|x-ostler-connection): .*\r\n/gim,
        '',
      )
    }
    const known = await answerTo('rita')
    expect(known).toMatch(/^HTTP\/1\.1 401 /)
    for (const login of ['ritb', 'rita@nowhere', 'ann']) expect(await answerTo(login)).toBe(known)
    const reasons = doorLog(world)
      .filter((line) => line.message === 'sign-in refused')
      .map((line) => line['reason'])
    for (const reason of ['wrong password', 'no plugin knows the user', 'unknown or blocked tenant'])
      expect(reasons).toContain(reason)
  })

  test('C-27 authenticate_user gives {}, and with store_auth=1 a number of user_auth_parameters', async () => {
    const plain = await askDoor(world, get('/qvd/authenticate_user', 'ann'))
    expect(plain.headers.get('Content-Type')).toBe('application/json')
    expect(JSON.parse(plain.body)).toEqual({})
    const stored = await askDoor(world, get('/qvd/authenticate_user?store_auth=1', 'ann'))
    const { auth_params_id: id } = JSON.parse(stored.body) as { auth_params_id: number }
    expect(typeof id).toBe('number')
    const row = await database.db
      .selectFrom('user_auth_parameters')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    expect(row).toMatchObject({ parameters: { 'qvd.vm.user.name': 'ann' } })
    expectRefused(await askDoor(world, get('/qvd/authenticate_user', 'ann', [], 'wrong')))
  })
})

describe('tokens', () => {
  test('C-28 create_auth_token gives a token of 43 characters whose row is valid for a day and multi-use', async () => {
    const answer = await askDoor(world, get('/qvd/create_auth_token', 'ann'))
    const said = JSON.parse(answer.body) as { auth_token: string; auth_params_id: number }
    expect(typeof said.auth_params_id).toBe('number')
    // The original ends it with a line feed, which no header can carry: T11 is mended, so it differs here.
    const token = Buffer.from(said.auth_token, 'base64').toString()
    expect(token).toMatch(/^[A-Za-z0-9]{43}$/)
    // What is stored is a digest: T42, mended.
    const row = await tokenRow(createHash('sha256').update(token).digest())
    expect(row).toMatchObject({ multi_use: true, vm_id: null, parameters_id: said.auth_params_id })
    const hours = ((row?.expires_at.getTime() ?? 0) - Date.now()) / 3_600_000
    expect(hours).toBeGreaterThan(23)
    expect(hours).toBeLessThanOrEqual(24.01)
  })

  test('C-21 Bearer base64(token) authenticates as the user of the token', async () => {
    const { token, encoded } = await tokenOf('ann')
    const answer = await askDoor(world, authorized(`Bearer ${encoded}`))
    expect(JSON.parse(answer.body)).toMatchObject([{ name: 'ann' }])
    // As the Perl client's form and the portal hand it over (T11).
    expect(await statusOf(authorized(bearer(`${token}\n`)))).toBe(200)
    expect(await statusOf(authorized(`bearer ${encoded}`))).toBe(200)
  })

  test('C-21 an expired token gives 401, and its row disappears', async () => {
    const { token, digest } = await tokenOf('ann')
    await database.db
      .updateTable('user_token')
      .set({ expires_at: new Date(Date.now() - 1_000) })
      .where('digest', '=', digest)
      .execute()
    expectRefused(await askDoor(world, authorized(bearer(token))))
    expect(await tokenRow(digest)).toBeUndefined()
  })

  test.each([
    ['an unknown token', bearer('x'.repeat(43))],
    ['an empty token', 'Bearer '],
    ['blanks alone', bearer('  \n')],
    ['the token itself, not in base64', 'Bearer not-base64!'],
    ['a very long one', bearer('x'.repeat(9_000))],
  ])('C-21 %s gives 401', async (_, header) => {
    expectRefused(await askDoor(world, authorized(header)))
  })

  test('T18 a multi-use token works on many connections, and on two at once', async () => {
    const { token } = await tokenOf('ann')
    for (let round = 0; round < 3; round++) expect(await statusOf(authorized(bearer(token)))).toBe(200)
    const both = await Promise.all([1, 2, 3, 4].map(() => statusOf(authorized(bearer(token)))))
    expect(both).toEqual([200, 200, 200, 200])
    expect((await askDoor(world, authorized(bearer(token)), '127.0.0.9')).status).toBe(200)
  })

  test('a single-use token serves the connections of one client, and nobody else', async () => {
    const { token, digest } = await tokenOf('ann')
    await database.db
      .updateTable('user_token')
      .set({ multi_use: false })
      .where('digest', '=', digest)
      .execute()
    const first = await Promise.all([1, 2].map(() => statusOf(authorized(bearer(token)))))
    expect(first).toEqual([200, 200])
    expectRefused(await askDoor(world, authorized(bearer(token)), '127.0.0.9'))
    await database.db
      .updateTable('user_token')
      .set({ taken_at: new Date(Date.now() - 61_000) })
      .where('digest', '=', digest)
      .execute()
    expectRefused(await askDoor(world, authorized(bearer(token))))
  })

  test('T17 a token that is bound to a desktop shows that one alone', async () => {
    await world.qa('osf add name=second')
    await world.qa('vm add name=ann-second user=ann osf=second')
    const { token, digest } = await tokenOf('ann')
    await database.db.updateTable('user_token').set({ vm_id: ann }).where('digest', '=', digest).execute()
    expect(JSON.parse((await askDoor(world, authorized(bearer(token)))).body)).toMatchObject([{ id: ann }])
    // And what it is traded for is bound to the same.
    const traded = JSON.parse(
      (await askDoor(world, authorized(bearer(token), '/qvd/create_auth_token'))).body,
    ) as {
      auth_token: string
    }
    const next = Buffer.from(traded.auth_token, 'base64').toString()
    expect(await tokenRow(createHash('sha256').update(next).digest())).toMatchObject({ vm_id: ann })
  })

  test('Basic and Bearer follow each other on one connection', async () => {
    const { token } = await tokenOf('ann')
    using connection = await DoorConnection.open(world)
    for (const request of [list('ann'), authorized(bearer(token)), list('ann'), authorized(bearer(token))])
      expect((await connection.ask(request)).status).toBe(200)
  })
})

describe('plugins', () => {
  test('C-94 a password stored as unpadded base64 of SHA-256(salt, password) is right, and argon2id afterwards', async () => {
    await addPerson('paula')
    expect((await database.user('paula')).password).toMatch(/^[A-Za-z0-9+/]{43}$/)
    expectRefused(await askDoor(world, list('paula', 'wrong')))
    expect(await statusOf(list('paula'))).toBe(200)
    expect((await database.user('paula')).password).toMatch(/^\$argon2id\$/)
    expect(await statusOf(list('paula'))).toBe(200)
    expectRefused(await askDoor(world, list('paula', 'wrong too')))
  })

  test('C-94 a tenant may have another salt than qvd1234', async () => {
    const salty = await database.addTenant('salty')
    await database.setConfig('l7r.auth.plugin.default.salt', 'sea', salty)
    await database.db
      .insertInto('users')
      .values({ login: 'rosa', tenant_id: salty, password: qvdHash(PASSWORD, 'sea') })
      .execute()
    expect(await statusOf(list('rosa@salty'))).toBe(200)
  })

  test('C-95 plugins are asked in the order head, list of the tenant, tail', async () => {
    const orders = await database.addTenant('orders')
    await addPerson('sara', PASSWORD, orders)
    await database.setConfig('l7r.auth.plugins', 'own', orders)
    await database.setConfig('l7r.auth.plugins.tail', 'last, default', orders)
    expect(await statusOf(list('sara@orders'))).toBe(200)
    const order = doorLog(world).filter((line) => line.message === 'asked' && line['login'] === 'sara')
    expect(order.map((line) => line['plugin'])).toEqual(['witness', 'own', 'last'])
    // Others are asked as before.
    await addPerson('tina')
    expect(await statusOf(list('tina'))).toBe(200)
    expect([asked('tina').length, asked('tina', 'own').length]).toEqual([1, 0])
  })

  test('C-95 a changed list is in force within moments, without a restart', async () => {
    const moving = await database.addTenant('moving')
    await addPerson('uma', PASSWORD, moving)
    expect(await statusOf(list('uma@moving'))).toBe(200)
    expect(asked('uma', 'own')).toEqual([])
    await database.setConfig('l7r.auth.plugins', 'own', moving)
    await until('the new plugin to be asked', async () => {
      await statusOf(list('uma@moving'))
      return asked('uma', 'own').length > 0
    })
  })

  test.each([
    ['that does not exist', 'nosuchword'],
    ['that others may write', 'open'],
    ['that throws', 'broken'],
    ['whose judgement throws', 'throws'],
  ])('C-95 a plugin %s makes 503, never 401', async (_, word) => {
    plugins.add('broken', 'throw new Error("a secret of the site")')
    plugins.add('throws', 'export default () => ({ authenticate: () => { throw new Error("a secret") } })')
    plugins.add('open', WITNESS, 0o666)
    const tenant = `with-${word}`
    const id = await database.addTenant(tenant)
    await addPerson('vera', PASSWORD, id)
    await database.setConfig('l7r.auth.plugins', word, id)
    const answer = await askDoor(world, list(`vera@${tenant}`))
    expect(answer.status).toBe(503)
    expect(answer.body).not.toContain('secret')
    // Other tenants are served.
    expect(await statusOf(list('ann'))).toBe(200)
  })

  test('a configuration that cannot be used makes 503, and nobody outside reads it', async () => {
    const id = await database.addTenant('misconfigured')
    await addPerson('yara', PASSWORD, id)
    await database.setConfig('auth.ldap.bindpass', '${a.secret.key}', id)
    const answer = await askDoor(world, list('yara@misconfigured'))
    expect(answer.status).toBe(503)
    expect(answer.body).toMatch(
      /^nobody could tell .* its configuration is not usable \(reference \w+\)\r\n$/,
    )
    expect(world.node.output('l7r')).toContain('auth.ldap.bindpass ${a.secret.key} is not set')
    await database.setConfig('auth.ldap.bindpass', undefined, id)
    await until('it to be mended', async () => (await statusOf(list('yara@misconfigured'))) === 200)
  })

  test('C-99 a site plugin lets somebody in, with parameters that are kept for her session', async () => {
    const site = await database.addTenant('site')
    await addPerson('wilma', 'not known here', site)
    plugins.add(
      'badge',
      `export default ({ settings }) => ({
        authenticate: ({ login, password, environment }) => Promise.resolve(
          environment.get('badge') === settings.number && password.reveal() === 'any'
            ? { kind: 'accept', parameters: { 'custom.badge': login + settings.number }, groups: ['staff'] }
            : { kind: 'abstain' }),
      })`,
    )
    await database.setConfig('l7r.auth.plugins', 'badge', site)
    await database.setConfig('l7r.auth.plugin.badge.number', '17', site)
    const path = '/qvd/authenticate_user?store_auth=1'
    const shared = `Auth-${Buffer.from('badge').toString('hex')}: ${Buffer.from('17').toString('base64')}`
    const answer = await askDoor(world, get(path, 'wilma@site', [shared], 'any'))
    const { auth_params_id: id } = JSON.parse(answer.body) as { auth_params_id: number }
    const row = await database.db
      .selectFrom('user_auth_parameters')
      .select(['parameters', 'groups'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    expect(row).toEqual({
      parameters: { 'qvd.vm.user.name': 'wilma', 'custom.badge': 'wilma17' },
      groups: ['staff'],
    })
    expectRefused(await askDoor(world, get(path, 'wilma@site', [], 'any')))
  })
})

// Last: they stop what the others need.
describe('when parts of the node are away', () => {
  test('an orderly end of hkd is told at once, and so is its return', async () => {
    const hkd = world.node.process('hkd')
    signalProcess(hkd, 'SIGTERM')
    expect(await comesToHold(() => !isAlive(hkd), 30_000, 20)).toBe(true)
    expect((await database.host()).state).toBe('stopped')
    await until('the door to hear it', async () => (await statusOf(get('/qvd/ping'))) === 503)
    expect(await askDoor(world, list('ann'))).toMatchObject({ status: 503, body: 'Server is stopped\r\n' })
    await world.node.start('hkd')
    await until('the door to hear that it runs', async () => (await statusOf(list('ann'))) === 200)
  })

  test('a killed hkd does not keep users from their lists', async () => {
    await world.node.crash('hkd')
    expect(await statusOf(list('ann'))).toBe(200)
    expect((await database.host()).state).toBe('running')
  })

  test('without its database the door says 5xx, never 401, ping goes on, and it mends itself', async () => {
    await addPerson('xenia')
    using known = await DoorConnection.open(world)
    expect((await known.ask(list('xenia'))).status).toBe(200)
    // No hkd is left from the test before, which would start it again.
    const file = join(world.node.settings.folder, 'state/postgres/postmaster.pid')
    const postmaster = identify(Number(readFileSync(file, 'utf8').split('\n')[0]))
    if (postmaster === undefined) throw new Error('there is no postmaster')
    signalProcess(postmaster, 'SIGINT')
    expect(await comesToHold(() => !isAlive(postmaster), 30_000, 20)).toBe(true)
    for (const request of [list('ann'), list('ann', 'never tried'), authorized(bearer('x'.repeat(43)))]) {
      const answer = await askDoor(world, request)
      expect(answer).toMatchObject({ status: 503 })
      expect(answer.body).toMatch(/^nobody could tell whether the password is right: \w/)
    }
    // Who is known on her connection is not asked again, but her list is not to be had.
    expect([500, 503]).toContain((await known.ask(list('xenia'))).status)
    expect(await statusOf(get('/qvd/ping'))).toBe(200)
    expectRefused(await askDoor(world, list()))
    await world.node.start('hkd')
    await until('the door to answer again', async () => (await statusOf(list('ann'))) === 200)
    expect((await known.ask(list('xenia'))).status).toBe(200)
  })
})
