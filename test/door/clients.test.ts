import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { doorLog } from '../fixtures/door.ts'
import { DoorConnection } from '../fixtures/door-connection.ts'
import { makeSitePlugins, type SitePlugins } from '../fixtures/site-plugins.ts'
import { PASSWORD, startWorld, until, type World } from '../fixtures/world.ts'

/**
 * What QVD's clients send, byte by byte as it was recorded from them (compatibility page 12 A and D, 1.5 and 1.6), to a
 * real desktop and with the limits that a node has by default.
 */

let world: World
let plugins: SitePlugins
let ann: number

/** Says what a client shares. */
const WITNESS = `export default ({ log }) => ({
  authenticate: ({ login, environment }) => {
    log.info('asked', { login, environment: Object.fromEntries(environment) })
    return Promise.resolve({ kind: 'abstain' })
  },
})`

beforeAll(async () => {
  plugins = makeSitePlugins({ witness: WITNESS })
  world = await startWorld({
    'l7r.auth.plugins.head': 'witness',
    'path.l7r.auth.plugins': plugins.folder,
  })
  ann = await world.addUser('ann')
  await world.qa('vm start -f name=ann')
  await world.untilVm('ann', 'running')
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  plugins[Symbol.dispose]()
})

const CRLF = '\r\n'
const LF = '\n'
const basic = (login: string, password = PASSWORD): string =>
  `Basic ${Buffer.from(`${login}:${password}`).toString('base64')}`

/** A request of lines as they are given, with the empty one at the end. */
const lines = (end: string, ...said: string[]): string => [...said, '', ''].join(end)

/** The first words of nxproxy, and of nxagent in return: the client speaks first. */
const PROXY_SAYS = 'NXPROXY-3.5.0-3.5.99 stream=default,data=default '

async function expectDisplay(connection: DoorConnection): Promise<void> {
  expect(connection.pending).toBe('')
  connection.send(PROXY_SAYS)
  expect(await connection.bytes((text) => text.endsWith(' '))).toMatch(/^NXPROXY-3\.5\.\d+-3\.5\.\d+ /)
}

function expectList(body: string): void {
  expect(JSON.parse(body)).toMatchObject([
    { id: ann, name: 'ann', state: 'running', blocked: 0, is_application: 0 },
  ])
}

describe('the C client', () => {
  const list = (authorization: string): string =>
    lines(
      CRLF,
      'GET /qvd/list_of_vm HTTP/1.1',
      `Host: 127.0.0.1:${world.port}`,
      `Authorization: ${authorization}`,
      'User-Agent: QVD/3.1 libcurl/7.88.1 OpenSSL/3.0.15 zlib/1.2.13',
      'Accept: */*',
    )
  const connect = (authorization: string, more = ''): string =>
    lines(
      LF,
      `GET /qvd/connect_to_vm?id=${ann}&qvd.client.os=linux&qvd.client.geometry=1100x800&qvd.client.link=adsl` +
        `&qvd.client.keyboard=pc105/en&qvd.client.fullscreen=0${more} HTTP/1.1`,
      `Authorization: ${authorization}`,
      'Connection: Upgrade',
      'Upgrade: QVD/1.0',
    )

  test('C-50 lists on one connection that it keeps, and connects on a second one with bare line feeds', async () => {
    using first = await DoorConnection.open(world)
    expectList((await first.ask(list(basic('ann')))).body)
    using second = await DoorConnection.open(world)
    const answer = await second.ask(connect(basic('ann')))
    expect(answer.status).toBe(101)
    await expectDisplay(second)
    expect(first.closed).toBe(false)
  })

  test('C-41 nothing comes in the record of the 101, nor behind it before the client has spoken', async () => {
    using connection = await DoorConnection.open(world)
    const answer = await connection.ask(connect(basic('ann')))
    expect(answer.records.at(-1)).toMatch(/\r\n\r\n$/)
    expect(answer.raw).toBe(answer.records.join(''))
    await expectDisplay(connection)
  })

  test('asks to restart without an id, gets 422, and connects on', async () => {
    using first = await DoorConnection.open(world)
    expectList((await first.ask(list(basic('ann')))).body)
    using second = await DoorConnection.open(world)
    const stop = lines(LF, 'GET /qvd/stop_vm HTTP/1.1', `Authorization: ${basic('ann')}`)
    expect(await second.ask(stop)).toMatchObject({ status: 422, body: 'parameter id is missing\r\n' })
    expect((await second.ask(connect(basic('ann')))).status).toBe(101)
    expect((await world.vm('ann')).state).toBe('running')
  })

  test('with a token sends it as it was typed, on both connections', async () => {
    using desk = await DoorConnection.open(world)
    const token = await desk.ask(
      lines(CRLF, 'GET /qvd/create_auth_token HTTP/1.1', `Authorization: ${basic('ann')}`),
    )
    const { auth_token: typed } = JSON.parse(token.body) as { auth_token: string }
    using first = await DoorConnection.open(world)
    expectList((await first.ask(list(`Bearer ${typed}`))).body)
    using second = await DoorConnection.open(world)
    expect((await second.ask(connect(`Bearer ${typed}`))).status).toBe(101)
  })

  test('gets an error as head and body, each in a TLS record of its own', async () => {
    for (const request of [
      list(basic('ann', 'wrong')),
      connect(basic('ann', 'wrong')),
      connect(basic('ann'), '&foo=1'),
    ]) {
      using connection = await DoorConnection.open(world)
      const { status, records, body } = await connection.ask(request)
      expect([401, 403]).toContain(status)
      // Who waits long for her password to be looked at is told so before.
      const final = records.filter((record) => !record.startsWith('HTTP/1.1 102 '))
      expect(final).toHaveLength(2)
      expect(final[1]).toBe(body)
    }
  })
})

describe('the Perl client', () => {
  const AGENT = 'User-Agent: QVD::HTTPC/0.01 (linux)'
  const list = (authorization: string, more: readonly string[] = []): string =>
    lines(
      CRLF,
      'GET /qvd/list_of_vm? HTTP/1.1',
      `Authorization: ${authorization}`,
      'Accept: application/json',
      AGENT,
      ...more,
    )
  const connect = (authorization: string, query: readonly string[]): string =>
    lines(
      CRLF,
      `GET /qvd/connect_to_vm?${query.join('&')} HTTP/1.1`,
      `Authorization: ${authorization}`,
      'Connection: Upgrade',
      'Upgrade: QVD/1.0',
      AGENT,
    )
  const of3 = [
    'qvd.client.keyboard=pc105%2Fes',
    'qvd.client.os=linux',
    'qvd.client.fullscreen=',
    'qvd.client.link=adsl',
    'qvd.client.printing.enabled=0',
    'qvd.client.geometry=1024x768',
  ]
  const of4 = [
    ...of3,
    'qvd.client.usb.enabled=0',
    'qvd.client.usb.implementation=USBIP',
    'qvd.client.nxagent.extra_args=',
    'qvd.client.audio.compression.enable=0',
    'qvd.client.audio.redirect.enable=0',
    'qvd.client.audio.redirect.server=localhost',
    'qvd.client.audio.redirect.port=4713',
  ]
  const ofWindows = [
    ...of4.map((pair) => pair.replace('os=linux', 'os=windows')),
    'qvd.client.os.name=Windows+10',
    'qvd.client.os.version=10.0%2E19045',
    'qvd.client.hostname=PC-17',
    'qvd.client.printing.flavor=slave4',
  ]

  test.each([
    ['3.x', of3],
    ['4.x', of4],
    ['4.x on Windows', ofWindows],
  ])(
    'C-51 %s lists and connects on one connection, with an empty query and encoded parameters',
    async (_, query) => {
      using connection = await DoorConnection.open(world)
      expectList((await connection.ask(list(basic('ann')))).body)
      // It keeps its parameters in a hash: the id stands anywhere.
      const shuffled = [...query.slice(3), `id=${ann}`, ...query.slice(0, 3)]
      expect((await connection.ask(connect(basic('ann'), shuffled))).status).toBe(101)
      await expectDisplay(connection)
    },
  )

  test('shares its environment with the first request alone, and is known from then on (T9)', async () => {
    await world.qa('user add login=bea password=-')
    using connection = await DoorConnection.open(world)
    const shared = [
      `Auth-${Buffer.from('DEVICE').toString('hex')}: ${Buffer.from('laptop 7').toString('base64')}`,
    ]
    expect((await connection.ask(list(basic('bea'), shared))).status).toBe(200)
    expect((await connection.ask(connect(basic('bea'), [...of4, `id=${ann}`]))).status).toBe(403)
    const asked = doorLog(world).filter((line) => line.message === 'asked' && line['login'] === 'bea')
    expect(asked.map((line) => line['environment'])).toEqual([{ DEVICE: 'laptop 7' }])
  })

  test('restarts its desktop: stop with the headers of an upgrade, then connect, on the connection of the list', async () => {
    await world.addUser('cleo')
    await world.qa('vm start -f name=cleo')
    await world.untilVm('cleo', 'running')
    const { id } = await world.vm('cleo')
    using connection = await DoorConnection.open(world)
    expect((await connection.ask(list(basic('cleo')))).status).toBe(200)
    const stop = lines(
      CRLF,
      `GET /qvd/stop_vm?id=${id} HTTP/1.1`,
      `Authorization: ${basic('cleo')}`,
      'Connection: Upgrade',
      'Upgrade: QVD/1.0',
      AGENT,
    )
    expect(await connection.ask(stop)).toMatchObject({ status: 200, body: 'Machine stopped\r\n' })
    const answer = await connection.ask(connect(basic('cleo'), [...of4, `id=${id}`]))
    expect(answer.status).toBe(101)
    expect(answer.interims).toContain('Starting virtual machine')
    await world.qa('vm stop -f name=cleo')
  })

  test('repeats a refused sign-in five times at once, and that is one failure', async () => {
    for (let attempt = 0; attempt < 6; attempt++) {
      using connection = await DoorConnection.open(world)
      expect((await connection.ask(list(basic('ann', 'mistyped')))).status).toBe(401)
    }
    // Six failures would have made her wait.
    using connection = await DoorConnection.open(world)
    expectList((await connection.ask(list(basic('ann')))).body)
  })

  test('needs Content-Length in exactly that case, no chunks, and a connection that stays', async () => {
    using connection = await DoorConnection.open(world)
    const { raw } = await connection.ask(list(basic('ann')))
    expect(raw).toMatch(/\r\nContent-Length: \d+\r\n/)
    expect(raw).not.toMatch(/transfer-encoding|connection: close/i)
  })
})

describe('the Qt client', () => {
  const SHARED = [
    `Auth-${Buffer.from('device.id').toString('hex').toUpperCase()}: ${Buffer.from('4711').toString('base64')}`,
    `Auth-${Buffer.from('site').toString('hex')}: ${Buffer.from('Köln').toString('base64')}`,
  ]
  const request = (path: string, more: readonly string[] = []): string =>
    lines(
      LF,
      `GET ${path} HTTP/1.1`,
      'User-Agent: QVDClient Qt/0.01 (Linux)',
      `Authorization: ${basic('dora')}`,
      ...SHARED,
      ...more,
    )
  const query = (id: number, keyboard: string): string =>
    [
      `id=${id}`,
      'qvd.client.type=qt',
      'qvd.client.os=linux',
      'qvd.client.geometry=1280x720',
      'qvd.client.fullscreen=0',
      'qvd.client.link=lan',
      `qvd.client.keyboard=${keyboard}`,
      'qvd.client.printing.enabled=1',
      'qvd.client.usb.enabled=0',
      'qvd.client.usb.implementation=usbip',
      'qvd.client.nxagent.extra_args=',
      'qvd.client.audio.compression.enable=1',
      'qvd.client.audio.sound.enable=1',
      'qvd.client.audio.microphone.enable=0',
      'qvd.client.timezone=Europe%2FMadrid',
    ].join('&')

  test.each(['pc105%2Fus', 'empty%2Fempty'])(
    'C-51 lists and connects on one connection with Auth- headers on every request, keyboard %s',
    async (keyboard) => {
      const name = 'dora'
      const id = await world.vm(name).then(
        (vm) => vm.id,
        () => world.addUser(name),
      )
      await world.qa(`vm start -f name=${name}`)
      await world.untilVm(name, 'running')
      using connection = await DoorConnection.open(world)
      expect((await connection.ask(request('/qvd/list_of_vm'))).status).toBe(200)
      const upgrade = ['Connection: Upgrade', 'Upgrade: QVD/1.0']
      const answer = await connection.ask(request(`/qvd/connect_to_vm?${query(id, keyboard)}`, upgrade))
      expect(answer.status).toBe(101)
      // It reads line by line and knows the end of a head by CRLF alone.
      expect(answer.raw.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/)
      await expectDisplay(connection)
      const asked = doorLog(world).filter((line) => line.message === 'asked' && line['login'] === name)
      expect(asked.at(-1)?.['environment']).toEqual({ 'device.id': '4711', site: 'Köln' })
    },
  )

  test('an error has a body whose length is said, because it waits for the body', async () => {
    using connection = await DoorConnection.open(world)
    const answer = await connection.ask(request('/qvd/connect_to_vm?foo=1'))
    expect(answer.status).toBe(426)
    expect(Number(answer.headers.get('Content-Length'))).toBe(answer.body.length)
    expect(answer.body).not.toBe('')
  })
})

test('two requests in one write are both answered, in their order', async () => {
  using connection = await DoorConnection.open(world)
  const ask = (path: string): string => lines(LF, `GET ${path} HTTP/1.1`, `Authorization: ${basic('ann')}`)
  connection.send(ask('/qvd/list_of_vm') + ask('/qvd/list_of_applications') + ask('/qvd/ping'))
  expectList((await connection.answer()).body)
  expect(JSON.parse((await connection.answer()).body)).toEqual([])
  expect((await connection.answer()).body).toBe('I am alive!\r\n')
})

test('a client that leaves while it is being signed in harms nobody', async () => {
  const request = lines(LF, 'GET /qvd/list_of_vm HTTP/1.1', `Authorization: ${basic('ann')}`)
  for (let round = 0; round < 20; round++) {
    using connection = await DoorConnection.open(world)
    connection.send(request)
  }
  await until('the door to answer', async () => {
    using connection = await DoorConnection.open(world)
    return (await connection.ask(request)).status === 200
  })
})
