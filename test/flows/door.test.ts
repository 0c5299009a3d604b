import { run } from '@ostler/kit/run.ts'
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, openRfb, openRaw, sendRaw, signIn, UPGRADE } from '../fixtures/door.ts'
import { listenOn, startWorld, until, type World } from '../fixtures/world.ts'

let world: World
let ann: number
let bob: number

beforeAll(async () => {
  // What this file sends would slow it down.
  world = await startWorld({ 'l7r.auth.limit.pair': '0', 'l7r.auth.limit.address': '0' })
  ann = await world.addUser('ann')
  bob = await world.addUser('bob')
})
afterAll(async () => await world[Symbol.asyncDispose]())

async function statusOf(request: string): Promise<number> {
  const { text } = await sendRaw(world, request)
  const heads = [...text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map((match) => Number(match[1]))
  return heads.find((status) => status !== 102) ?? 0
}

const connectTo = (id: string | number, more = ''): string => `/qvd/connect_to_vm?id=${id}${more}`

describe("QVD's endpoints", () => {
  test('ping needs no login', async () => {
    const { text, closed } = await sendRaw(world, get('/qvd/ping'))
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(text).toMatch(/\r\n\r\nI am alive!\r\n$/)
    expect(closed).toBe(false)
  })

  test("the list holds the user's own desktops, with numbers for the booleans", async () => {
    const { text } = await sendRaw(world, get('/qvd/list_of_vm', 'ann'))
    expect(text).toContain('Content-Type: application/json')
    expect(text).toMatch(/\r\nContent-Length: \d+\r\n/)
    const [desktop, ...more] = JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as unknown[]
    expect(desktop).toEqual({ id: ann, name: 'ann', state: 'stopped', blocked: 0, is_application: 0 })
    expect(more).toEqual([])
  })

  test.each([
    ['no credentials', get('/qvd/list_of_vm'), 401],
    ['a wrong password', get('/qvd/list_of_vm', 'ann', [], 'wrong'), 401],
    ['an unknown user', get('/qvd/list_of_vm', 'nobody-here'), 401],
    ['an empty password', get('/qvd/list_of_vm', 'ann', [], ''), 401],
    ['an unknown path', get('/qvd/nothing', 'ann'), 404],
    ['connect without upgrade headers', get(connectTo(1), 'ann'), 426],
    [
      'connect with another protocol',
      get(connectTo(1), 'ann', ['Connection: Upgrade', 'Upgrade: QVD/2.0']),
      426,
    ],
    ['connect without a desktop', get('/qvd/connect_to_vm', 'ann', UPGRADE), 422],
    ['connect with a strange parameter', get(connectTo(1, '&foo=1'), 'ann', UPGRADE), 403],
    [
      'connect with an option that would begin another',
      get(connectTo(1, '&qvd.client.link=lan,accept=1'), 'ann', UPGRADE),
      400,
    ],
    ['connect to an unknown desktop', get(connectTo(99_999), 'ann', UPGRADE), 404],
    ['connect to no number at all', get(connectTo('x'), 'ann', UPGRADE), 404],
    ['stop without a desktop', get('/qvd/stop_vm', 'ann'), 422],
    ['stop of an unknown desktop', get('/qvd/stop_vm?id=99999', 'ann'), 404],
    ['stop of a stopped desktop', get('/qvd/stop_vm?id=1', 'ann'), 200],
    ['a login without the right to come in, whatever else is wrong', get('/qvd/connect_to_vm'), 401],
  ])('%s', async (_, request, status) => {
    expect(await statusOf(request)).toBe(status)
  })

  test("somebody else's desktop is refused with 403, and nothing is written", async () => {
    expect(await statusOf(get(connectTo(bob), 'ann', UPGRADE))).toBe(403)
    expect(await statusOf(get(`/qvd/stop_vm?id=${bob}`, 'ann'))).toBe(403)
    const explained = await world.qa('vm explain -f name=bob')
    expect(explained).toMatch(
      /bob is stopped\n(- .*\n)+runs no image; its tag default stands for instant\n\nwishes, newest first:\n\nlast start:\n\nhooks, newest first:\n\nmoves, newest first:$/,
    )
  })

  test('an error comes as head and body in separate TLS records', async () => {
    const socket = await openRaw(world)
    const chunks: string[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk.toString('latin1')))
    socket.write(get(connectTo(99_999), 'ann', UPGRADE))
    await new Promise((resolve) => socket.once('end', resolve))
    socket.destroy()
    expect(chunks).toHaveLength(2)
    expect(chunks[0]).toMatch(/^HTTP\/1\.1 404 Not Found\r\n.*\r\n\r\n$/s)
  })

  test('stop of a running desktop sends progress, then says that it stopped', async () => {
    await world.qa('vm start -f name=bob')
    await world.untilVm('bob', 'running')
    const { text } = await sendRaw(world, get(`/qvd/stop_vm?id=${bob}`, 'bob'), 2_000)
    expect(text).toMatch(/^HTTP\/1\.1 102 Processing\r\nX-QVD-VM-Info: Stopping virtual machine\r\n/)
    expect(text).toMatch(/\r\n\r\nMachine stopped\r\n$/)
    expect((await world.vm('bob')).state).toBe('stopped')
  })

  test('connect answers 102 at once and at least every second, then 101 with a key of 64 characters', async () => {
    const socket = await openRaw(world)
    const times = [performance.now()]
    let text = ''
    await new Promise<void>((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        times.push(performance.now())
        text += chunk.toString('latin1')
        if (text.includes('101 Switching')) resolve()
      })
      socket.write(
        get(connectTo(ann, '&qvd.client.geometry=800x600&qvd.client.keyboard=pc105/en'), 'ann', UPGRADE),
      )
    })
    socket.destroy()
    expect(text).toMatch(
      /^(HTTP\/1\.1 102 Processing\r\nX-QVD-VM-Info: (Signing in|Starting virtual machine)\r\n\r\n)+/,
    )
    expect(text).toMatch(
      /HTTP\/1\.1 101 Switching Protocols\r\n(?:.*\r\n)*X-QVD-Slave-Key: [A-Za-z0-9]{64}\r\n(?:.*\r\n)*\r\n$/,
    )
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0))
    expect(Math.max(...gaps)).toBeLessThan(2_000)
  })
})

describe('what is no HTTP', () => {
  test.each([
    ['text', 'garbage\r\n\r\n', 400],
    ['bytes', Buffer.concat([Buffer.from([0]), randomBytes(512)]), 400],
    ['a head without end', `GET / HTTP/1.1\r\nX: ${'x'.repeat(40_000)}\r\n`, 431],
    ['a second TLS handshake', Buffer.from('16030100a1', 'hex'), 400],
  ])('%s is refused and closed', async (_, request, status) => {
    const { text, closed } = await sendRaw(world, request)
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(closed).toBe(true)
  })

  test('the door lives on after all of it', async () => {
    expect(await statusOf(get('/qvd/ping'))).toBe(200)
  })
})

describe('the portal', () => {
  test('refuses a wrong password, and a request from another site', async () => {
    await expect(signIn(world, 'ann', 'wrong')).rejects.toThrow(/401/)
    const body = '{"login":"ann","password":"correct horse"}'
    const head = [
      'POST /portal/api/sign-in HTTP/1.1',
      `Host: 127.0.0.1:${world.port}`,
      'Origin: https://evil.example',
      `Content-Length: ${body.length}`,
    ]
    expect(await statusOf([...head, '', body].join('\r\n'))).toBe(400)
  })

  test('shows a desktop to nobody but its owner', async () => {
    const client = await openRfb(world, 'bob', ann)
    expect(await client.closed).toEqual({
      code: 4403,
      reason: 'You are not allowed to access requested virtual machine',
    })
  })

  test('refuses a display without a session and a session that was altered', async () => {
    const upgrade = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      `Host: 127.0.0.1:${world.port}`,
      `Origin: https://127.0.0.1:${world.port}`,
    ]
    const path = `/portal/desktops/${ann}/display`
    // Bare line feeds are for QVD's clients alone.
    const ask = (...headers: string[]): Promise<number> =>
      statusOf(get(path, undefined, [...upgrade, ...headers]).replaceAll('\n', '\r\n'))
    expect(await ask()).toBe(401)
    const cookie = await signIn(world, 'bob', 'correct horse')
    expect(await ask(`Cookie: ${cookie.replace(/=\d+/, '=1')}`)).toBe(401)
  })
})

test('unknown users and wrong passwords cost the same: an argon2id hash each', async () => {
  const cost = async (login: string, password: string): Promise<number> => {
    const began = performance.now()
    await sendRaw(world, get('/qvd/list_of_vm', login, ['Connection: close'], password))
    return performance.now() - began
  }
  const [known, unknown] = [[], []] as [number[], number[]]
  for (let round = 0; round < 9; round++) {
    known.push(await cost('ann', `wrong${round}`))
    unknown.push(await cost(`nobody${round}`, 'wrong'))
  }
  const median = (values: number[]): number => values.sort((a, b) => a - b)[4] ?? 0
  // A hash costs about 20 ms, a look-up 1 ms: half is far from both.
  expect(median(unknown) / median(known)).toBeGreaterThan(0.5)
  expect(median(unknown) / median(known)).toBeLessThan(2)
})

describe('a start that cannot succeed', () => {
  test('a port that is taken is named, and the service ends', async () => {
    await world.node.crash('l7r')
    let thief: AsyncDisposable | undefined
    await until(
      'the port to be free',
      async () => (thief = await listenOn(world.port).catch(() => undefined)) !== undefined,
    )
    await expect(world.node.start('l7r')).rejects.toThrow(
      /^port \d+ on 127\.0\.0\.1 is taken by another program.*l7r\.port.*\[node\.portTaken\]$/,
    )
    await thief?.[Symbol.asyncDispose]()
    await world.node.start('l7r')
  })

  test('a second hkd in the same folder is refused', async () => {
    const process = world.node.process('hkd')
    const second = await startSecondHkd()
    expect(second).toMatch(new RegExp(`ostler-hkd is already running here as process ${process.pid}`))
  })

  test("a database that is QVD's is refused with one sentence and not touched", async () => {
    const psql = async (sql: string): Promise<void> => {
      const socket = `${world.node.settings.folder}/run/postgres`
      await run('psql', [
        '--quiet',
        '--host',
        socket,
        '--username',
        'ostler_hkd',
        '--dbname',
        'ostler',
        '--command',
        sql,
      ])
    }
    await psql('CREATE TABLE public.vm_runtimes (vm_id int)')
    await world.node.crash('hkd')
    await expect(world.node.start('hkd')).rejects.toThrow(
      /^the database ostler belongs to QVD: Ostler imports such a database and never migrates it in place\..*\[database\.foreign\]$/,
    )
    await psql('DROP TABLE public.vm_runtimes')
    await world.node.start('hkd')
  })

  test('a second desktop on the same home is refused while the first one runs', async () => {
    await world.qa('vm add name=ann2 user=ann osf=instant')
    await world.qa('vm start -f name=ann')
    await world.untilVm('ann', 'running')
    const second = (await world.vm('ann2')).id
    const { text } = await sendRaw(world, get(connectTo(second), 'ann', UPGRADE), 3_000)
    expect(text).toMatch(/HTTP\/1\.1 503 .*desktop ann has the same home/s)
    expect(world.processes(second)).toEqual([])
  })

  test('a desktop that no node has memory for is refused with that reason', async () => {
    await world.qa('osf add name=huge memory=1000000')
    await world.qa('di add name=huge osf=huge kind=instant')
    const id = await world.addUser('hugo', 'huge')
    const { text } = await sendRaw(world, get(connectTo(id), 'hugo', UPGRADE), 3_000)
    expect(text).toMatch(/HTTP\/1\.1 503 .*no node has enough memory free/s)
  })

  test('an image that is no system fails the start with its reason, and nothing runs', async () => {
    await world.qa('osf add name=broken')
    await world.qa('di add name=broken osf=broken kind=directory path=/var/empty-ostler-test')
    await world.qa('user add login=carl password=-')
    await world.qa('vm add name=carl user=carl osf=broken')
    const id = (await world.vm('carl')).id
    const { text } = await sendRaw(world, get(connectTo(id), 'carl', UPGRADE), 3_000)
    expect(text).toMatch(
      /HTTP\/1\.1 503 .*the disk image broken cannot be used: \/var\/empty-ostler-test does not exist/s,
    )
    expect(await world.vm('carl')).toMatchObject({ state: 'failed' })
    expect(world.processes(id)).toEqual([])
  })
})

async function startSecondHkd(): Promise<string> {
  const folder = world.node.settings.folder
  return await run(`${folder}/lib/node`, [`${folder}/lib/hkd.cjs`, '--config', world.node.config]).then(
    () => 'it started',
    (error: unknown) => String(error),
  )
}
