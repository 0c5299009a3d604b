import { run } from '@ostler/kit/run.ts'
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, connect as connectSocket } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askDoor } from '../fixtures/door-connection.ts'
import { timed, typeAll, typedIn } from '../fixtures/guide.ts'
import { GuideRoom } from '../fixtures/guide-room.ts'
import { openQvdDatabase } from '../fixtures/qvd-database.ts'
import { freePort, until, startWorld, type World } from '../fixtures/world.ts'

/** Guides for administrators, typed as they stand: ports and names of machines are those of the test. */
let world: World
let room: GuideRoom
const GUIDE_MS = 300_000

beforeAll(async () => {
  world = await startWorld()
  room = await GuideRoom.open(world)
})
afterAll(async () => {
  room[Symbol.dispose]()
  await world[Symbol.asyncDispose]()
})

const ping = async (port = world.port): Promise<number> =>
  (await askDoor({ port }, 'GET /qvd/ping HTTP/1.1\n\n').catch(() => ({ status: 0 }))).status
const untilPing = async (status: number, port?: number): Promise<void> =>
  await until(`a ping to be answered with ${status}`, async () => (await ping(port)) === status)
const nodename = (): string => world.node.settings.prefix.replace(/-$/, '')

/** Types a part of the guide to operation. @param after is called after each line, where one is given. */
async function typeOperation(heading: string, after?: (line: string) => Promise<void>): Promise<string> {
  let said = ''
  const type = async (text: string) => {
    const here = text
      .replaceAll('127.0.0.1:8443', `127.0.0.1:${world.port}`)
      .replaceAll('name=node1', `name=${nodename()}`)
    const typed = await room.type(here)
    said += typed.said
    if (typed.code === 0) await after?.(text)
    return typed
  }
  const blocks = typedIn('operate.md', heading)
  await typeAll(type, after === undefined ? blocks : blocks.flatMap((block) => block.trim().split('\n')))
  return said
}

test(
  'operation: the first day, and every day',
  async () => {
    await run(
      'openssl',
      [
        ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90'.split(' '),
        ...['-subj', '/CN=desktops.example.org', '-addext', 'subjectAltName=DNS:desktops.example.org'],
        ...['-keyout', 'key.pem', '-out', 'fullchain.pem'],
      ],
      { cwd: room.path(), env: process.env },
    )
    const said = await typeOperation('The first day')
    expect(said).toMatch(/desktops\.example\.org/)
    await until('the door to show its new certificate', async () =>
      (await subject()).includes('desktops.example'),
    )
    await world.addUser('zoe').catch(() => {}) // a first try has added her
    expect(await typeOperation('Daily')).toMatch(/\bzoe\b[^]*\.dump[^]*ok +door/)
    await world.qa('config ssl del')
  },
  GUIDE_MS,
)

async function subject(): Promise<string> {
  const words = ['s_client', '-connect', `127.0.0.1:${world.port}`]
  return (await run('openssl', words, { input: '' })).stdout
}

test(
  'operation: a node out of service, and back',
  async () => {
    const statuses: string[] = []
    await typeOperation('Taking a node out of service', async (line) => {
      const [expected] = /drain$|host block/.test(line) ? [503] : /open\b|unblock/.test(line) ? [200] : []
      if (expected === undefined) return
      await untilPing(expected)
      statuses.push(`${line.split(' ')[1] ?? ''} ${expected}`)
    })
    expect(statuses).toEqual(['drain 503', 'open 200', 'host 503', 'host 200'])
  },
  GUIDE_MS,
)

test(
  'operation: a load balancer in front of the door',
  async () => {
    const front = await freePort()
    const [block = '', set = ''] = typedIn('operate.md', 'A load balancer')
    const here = block
      .replace('bind :443', `bind 127.0.0.1:${front}`)
      .replace('10.0.0.1:8443', `127.0.0.1:${world.port}`)
      .replace(/^.*10\.0\.0\.2.*\n/m, '')
    await timed(block, () => room.type(here))
    try {
      const [line = '', reload] = set.split('\n')
      expect(reload).toBe('systemctl reload ostler-l7r')
      await timed(set, () => room.type(line.replace('10.0.0.9', '127.0.0.1')))
      // As its unit does it.
      process.kill(world.node.process('l7r').pid, 'SIGHUP')
      await using balancer = room.start('haproxy -f /etc/haproxy/haproxy.cfg')
      await untilPing(200, front).catch((cause: unknown) => {
        throw new Error(`the balancer said: ${balancer.said()}`, { cause })
      })
      await door('drain')
      await untilPing(0, front)
      await door('open')
      await untilPing(200, front)
    } finally {
      await world.qa('config del l7r.proxy_protocol.from')
      process.kill(world.node.process('l7r').pid, 'SIGHUP')
      await door('open')
    }
    await untilPing(200)
  },
  GUIDE_MS,
)

async function door(command: string): Promise<void> {
  const lib = join(world.node.settings.folder, 'lib')
  await run(join(lib, 'node'), [join(lib, 'l7r.cjs'), '--config', world.node.config, command])
}

test(
  'who comes from QVD finds her user, her password, her desktop and her home',
  async () => {
    // Of its own: what a first try has taken over would be here already.
    await using world = await startWorld()
    await using qvd = await openQvdDatabase(4)
    const hash = createHash('sha256').update('pepper').update('hush').digest('base64').replace(/=+$/, '')
    await qvd.query(`UPDATE users SET password = '${hash}' WHERE id = 10`)
    await using line = await toSocket(join(qvd.host, '.s.PGSQL.5432'))
    using room = await GuideRoom.open(world)
    writeFileSync(
      room.path('qvd-node.conf'),
      'nodename = old\ndatabase.host = qvd-db\nl7r.auth.timeout = 31\n',
    )
    mkdirSync(room.path('qvd-homefs/ann-5/ann'), { recursive: true })
    writeFileSync(room.path('qvd-homefs/ann-5/ann/letter'), 'dear Bob')
    const seconds = await typeAll(
      (block) =>
        room.type(
          block.replaceAll('host=qvd-db', `host=127.0.0.1 port=${line.port} database=postgres user=postgres`),
        ),
      typedIn('move-from-qvd.md'),
    )
    console.log(`${seconds.toFixed(1).padStart(6)} s  in all`)
    const authorization = `Authorization: Basic ${Buffer.from('ann:hush').toString('base64')}`
    const list = await askDoor(world, `GET /qvd/list_of_vm HTTP/1.1\n${authorization}\n\n`)
    expect(list).toMatchObject({ status: 200, body: expect.stringContaining('desk') as string })
    await world.qa('vm start -f name=desk')
    await world.untilVm('desk', 'running').catch(async (cause: unknown) => {
      throw new Error(await world.qa('vm explain -f name=desk'), { cause })
    })
    const { id } = await world.vm('desk')
    expect(await world.inside(id, ['cat', '/home/ann/letter'])).toBe('dear Bob')
  },
  GUIDE_MS,
)

/** A port of loopback that leads to a unix socket, as a server of a QVD's has one. */
async function toSocket(path: string): Promise<{ readonly port: number } & AsyncDisposable> {
  const server = createServer((client) => {
    const far = connectSocket(path)
    for (const socket of [client, far]) socket.on('error', () => socket.destroy())
    client.pipe(far).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port')
  return {
    port: address.port,
    [Symbol.asyncDispose]: () => new Promise((closed) => server.close(() => closed())),
  }
}
