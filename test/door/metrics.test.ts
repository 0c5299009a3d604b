import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allMetrics } from '../../scripts/metrics-page.ts'
import { askDoor, DoorConnection } from '../fixtures/door-connection.ts'
import { DoorRoom } from '../fixtures/door-room.ts'
import { askProcess, type Exposition, readExposition } from '../fixtures/exposition.ts'
import { freePort, until } from '../fixtures/world.ts'

/** What a door of two workers counts, through a story in which workers come and go. */
let room: DoorRoom
let desktop: number
let collectorPort: number

beforeAll(async () => {
  collectorPort = (await freePort()) + 1
  room = await DoorRoom.open({ 'l7r.workers': '2', 'l7r.metrics.listen': `127.0.0.1:${collectorPort}` })
  await room.addUsers(['ann'], 'hush')
  desktop = (await room.addDesktop('ann', 'ann-office')).id
  await until('both workers', () => serving().length === 2)
})
afterAll(() => room[Symbol.asyncDispose]())

const socketPath = (): string => join(room.node.settings.folder, `run/l7r/door-${room.port}.sock`)

async function metrics(): Promise<Exposition> {
  const { status, body } = await askProcess({ socketPath: socketPath() }, '/metrics')
  expect(status).toBe(200)
  return readExposition(body)
}

function authorization(password: string): string {
  return `Authorization: Basic ${Buffer.from(`ann:${password}`).toString('base64')}`
}

async function openSession(): Promise<DoorConnection> {
  const connection = await DoorConnection.open(room)
  const { status } = await connection.ask(
    `GET /qvd/connect_to_vm?id=${desktop} HTTP/1.1\n${authorization('hush')}\nConnection: Upgrade\nUpgrade: QVD/1.0\n\n`,
  )
  expect(status).toBe(101)
  return connection
}

function workers(): number[] {
  const pid = room.doorPid
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

/** Workers that have said that they serve. */
function serving(): number[] {
  const lines = room.node.output('l7r').split('\n')
  return workers().filter((pid) =>
    lines.some((line) => line.includes('"door open"') && line.includes(`"pid":${pid},`)),
  )
}

/** Nothing that only grows is less than it was. */
async function expectNothingWentBack(before: Exposition, after: Exposition): Promise<void> {
  const growing = (await allMetrics()).l7r.filter(({ type }) => type !== 'gauge').map(({ name }) => name)
  const isGrowing = (name: string): boolean =>
    growing.includes(name) || growing.includes(name.replace(/_(bucket|sum|count)$/, ''))
  for (const { name, labels, value } of before.samples)
    if (isGrowing(name))
      expect(after.sum(name, labels), `${name} ${JSON.stringify(labels)}`).toBeGreaterThanOrEqual(value)
}

test('every documented metric is there, and every metric is documented', async () => {
  const documented = (await allMetrics()).l7r
  const { metrics: there } = await metrics()
  expect([...there.keys()].sort()).toEqual(documented.map(({ name }) => name))
  for (const { name, type, help } of documented) expect(there.get(name)).toEqual({ type, help })
})

test('a story is counted, whichever worker served it, and no label has what a client chose', async () => {
  const before = await metrics()
  const list = (password: string): string => `GET /qvd/list_of_vm HTTP/1.1\n${authorization(password)}\n\n`
  for (let round = 0; round < 4; round++) expect((await askDoor(room, list('hush'))).status).toBe(200)
  expect((await askDoor(room, list('wrong-one'))).status).toBe(401)
  expect((await askDoor(room, 'GET /qvd/made-up-by-mallory HTTP/1.1\n\n')).status).toBe(404)
  expect((await askDoor(room, 'GET /made-up-as-well HTTP/1.1\r\nHost: door\r\n\r\n')).status).toBe(404)
  const session = await openSession()
  session.send('hello')
  await session.bytes((all) => all.endsWith('hello'))

  const during = await metrics()
  const grown = (name: string, labels = {}): number => during.sum(name, labels) - before.sum(name, labels)
  expect(grown('ostler_l7r_requests_total', { route: '/qvd/list_of_vm', status: '200' })).toBe(4)
  expect(grown('ostler_l7r_requests_total', { route: '/qvd/list_of_vm', status: '401' })).toBe(1)
  expect(grown('ostler_l7r_requests_total', { route: '/qvd/other', status: '404' })).toBe(1)
  expect(grown('ostler_l7r_requests_total', { route: '/qvd/connect_to_vm', status: '101' })).toBe(1)
  expect(grown('ostler_l7r_sign_ins_total', { outcome: 'accepted', plugin: 'default' })).toBeGreaterThan(0)
  expect(grown('ostler_l7r_sign_ins_total', { outcome: 'refused' })).toBe(1)
  expect(grown('ostler_l7r_connections_total')).toBe(8)
  expect(grown('ostler_l7r_seats_claimed_total', { display: 'nx' })).toBe(1)
  expect(grown('ostler_l7r_first_byte_seconds_count', { display: 'nx' })).toBe(1)
  expect(during.sum('ostler_l7r_streams_open', { display: 'nx' })).toBe(1)
  // The stream goes on, and its bytes are counted already.
  expect(grown('ostler_l7r_stream_bytes_total', { direction: 'to_display' })).toBe(5)
  expect(grown('ostler_l7r_stream_bytes_total', { direction: 'to_client' })).toBe(5)
  for (const { labels } of during.samples)
    expect(Object.values(labels).join(' ')).not.toMatch(/ann|mallory|made-up|127\.0\.0\.1/)

  const winner = await openSession()
  await session.untilClosed()
  expect((await metrics()).sum('ostler_l7r_seats_lost_total', { reason: 'moved' })).toBe(1)
  winner[Symbol.dispose]()
  await until('both streams to be over', async () => {
    const now = await metrics()
    return (
      now.sum('ostler_l7r_streams_open') === 0 &&
      now.sum('ostler_l7r_streams_ended_total', { by: 'cut' }) === 1 &&
      now.sum('ostler_l7r_streams_ended_total', { by: 'client' }) === 1 &&
      now.sum('ostler_l7r_stream_seconds_count') === 2
    )
  })
  expect((await metrics()).sum('ostler_l7r_stream_bytes_total', { direction: 'to_display' })).toBe(5)
  await expectNothingWentBack(before, await metrics())
})

test('no counter goes back when workers are replaced, nor when one is killed', async () => {
  const before = await metrics()
  const old = workers()
  process.kill(room.doorPid, 'SIGHUP')
  await until(
    'two new workers alone',
    () => serving().length === 2 && serving().every((pid) => !old.includes(pid)),
  )
  const replaced = await metrics()
  await expectNothingWentBack(before, replaced)
  expect(replaced.sum('ostler_l7r_worker_exits_total', { how: 'replaced' })).toBe(2)
  expect(replaced.sum('ostler_l7r_workers', { state: 'serving' })).toBe(2)
  expect((await askDoor(room, 'GET /qvd/ping HTTP/1.1\n\n')).status).toBe(200)

  const counted = await metrics()
  const [victim = 0] = workers()
  process.kill(victim, 'SIGKILL')
  await until('another worker', () => serving().length === 2 && !workers().includes(victim))
  const killed = await metrics()
  await expectNothingWentBack(counted, killed)
  expect(killed.sum('ostler_l7r_worker_exits_total', { how: 'crashed' })).toBe(1)
  // What it had open is not open any more.
  expect(killed.sum('ostler_l7r_connections_open')).toBe(0)
})

test('only the door and root read the socket; the loopback port gives metrics and nothing else', async () => {
  expect(statSync(socketPath()).mode & 0o777).toBe(0o600)
  const collector = { port: collectorPort }
  expect(readExposition((await askProcess(collector, '/metrics')).body).metrics.size).toBeGreaterThan(10)
  expect((await askProcess(collector, '/status')).status).toBe(404)
  expect((await askProcess(collector, '/drain', 'POST')).status).toBe(404)
  for (const path of ['/metrics', '/status', '/qvd/metrics', '/portal/metrics']) {
    const answer = await askDoor(room, `GET ${path} HTTP/1.1\r\nHost: door\r\n\r\n`)
    expect(answer.status).toBe(404)
    expect(answer.body).not.toContain('ostler_l7r')
  }
})
