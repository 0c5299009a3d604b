import { identify, isAlive, type ProcessIdentity, signalProcess } from '@ostler/kit/process-table.ts'
import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { askDoor, DoorConnection } from '../fixtures/door-connection.ts'
import { DoorRoom } from '../fixtures/door-room.ts'
import { until } from '../fixtures/world.ts'

/** The real door with two workers and a first process, and what becomes of sessions when any of them goes. */
let room: DoorRoom
let desktop: number
const sessions: DoorConnection[] = []

beforeAll(async () => {
  room = await DoorRoom.open({ 'l7r.workers': '2' })
  await room.addUsers(['ann'], 'hush')
  await until('both workers', isWhole)
  desktop = (await room.addDesktop('ann', 'ann-office')).id
})
afterAll(() => room[Symbol.asyncDispose]())
afterEach(() => {
  for (const session of sessions.splice(0)) session[Symbol.dispose]()
})

const AUTHORIZATION = `Authorization: Basic ${Buffer.from('ann:hush').toString('base64')}`

/** A native client's session, whose display sends back what it gets. */
async function openSession(): Promise<DoorConnection> {
  const connection = await DoorConnection.open(room)
  sessions.push(connection)
  const { status } = await connection.ask(
    `GET /qvd/connect_to_vm?id=${desktop} HTTP/1.1\n${AUTHORIZATION}\nConnection: Upgrade\nUpgrade: QVD/1.0\n\n`,
  )
  expect(status).toBe(101)
  return connection
}

async function expectEcho(session: DoorConnection, text: string): Promise<void> {
  session.send(text)
  await session.bytes((all) => all.endsWith(text))
}

function workers(): number[] {
  const pid = room.doorPid
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.split(' ').filter(Boolean).map(Number)
}

/** Two workers, each of which has said that it serves. */
function isWhole(): boolean {
  const lines = room.node.output('l7r').split('\n')
  const serving = (pid: number): boolean =>
    lines.some((line) => line.includes('"door open"') && line.includes(`"pid":${pid},`))
  return workers().length === 2 && workers().every(serving)
}

const serves = async (): Promise<boolean> => {
  const answer = await askDoor(room, 'GET /qvd/ping HTTP/1.1\n\n').catch(() => undefined)
  return answer?.status === 200
}

test('SIGHUP brings in new workers; a session stays with its old one, which ends behind it', async () => {
  const before = workers()
  expect(before).toHaveLength(2)
  const session = await openSession()
  const waiting = await DoorConnection.open(room)
  sessions.push(waiting)
  expect((await waiting.ask('GET /qvd/ping HTTP/1.1\n\n')).status).toBe(200)
  process.kill(room.doorPid, 'SIGHUP')
  await until('two new workers and the one with the session', () => {
    const now = workers()
    return now.filter((pid) => !before.includes(pid)).length === 2 && now.length === 3
  })
  await until('the connection without a request to be closed', () => waiting.closed)
  await expectEcho(session, 'still here')
  for (let round = 0; round < 4; round++) expect(await serves()).toBe(true)
  session[Symbol.dispose]()
  await until('the old worker to end', () => isWhole() && workers().every((pid) => !before.includes(pid)))
})

test('a worker that dies is replaced, and the others serve meanwhile', async () => {
  const [victim = 0] = workers()
  process.kill(victim, 'SIGKILL')
  // A connection that is handed to it in this very moment is lost with it.
  await until('it to be missed', () => room.node.output('l7r').includes('a worker of the door is gone'))
  await until('the door to serve', serves)
  await until('two workers', () => isWhole() && !workers().includes(victim))
})

test('new workers that cannot start leave the old ones in charge', async () => {
  const before = workers()
  const good = readFileSync(room.node.config, 'utf8')
  try {
    writeFileSync(room.node.config, `${good}l7r.port = a lot\n`)
    process.kill(room.doorPid, 'SIGHUP')
    await until('the failure to be said', () =>
      room.node.output('l7r').includes('the new workers could not start, the old ones stay'),
    )
    await until('only the old ones to be there', () => String(workers()) === String(before))
    expect(await serves()).toBe(true)
  } finally {
    writeFileSync(room.node.config, good)
  }
})

test('a worker that does not start leaves the one that serves, and its sessions, alone', async () => {
  const old = workers().map((pid) => identify(pid))
  signalProcess(room.node.process('l7r'), 'SIGKILL')
  await until('the old door to be gone', () => !old.some((worker) => worker !== undefined && isAlive(worker)))
  await until('the first process to be gone', () => !isAlive(room.node.process('l7r')))
  const starting = room.node.start('l7r').catch(() => {})
  const young = (): number[] => (isAlive(room.node.process('l7r')) ? workers() : [])
  await until('the first worker', () => young().length === 1)
  const [first = 0] = young()
  await until('the second to begin', () => young().length === 2)
  for (const pid of young()) if (pid !== first) process.kill(pid, 'SIGKILL')
  await until('it to be missed', () =>
    room.node.output('l7r').includes('a worker of the door does not start'),
  )
  await starting
  const session = await openSession()
  await until('two workers', isWhole)
  expect(workers()).toContain(first)
  await expectEcho(session, 'still here')
})

test('the first process may be killed: sessions live on, and a new one opens the door at once', async () => {
  const session = await openSession()
  const before = workers().map((pid) => identify(pid))
  signalProcess(room.node.process('l7r'), 'SIGKILL')
  await until('the first process to be gone', () => !isAlive(room.node.process('l7r')))
  await expectEcho(session, 'still here')
  await room.node.start('l7r')
  expect(await serves()).toBe(true)
  await expectEcho(session, 'and still')
  session[Symbol.dispose]()
  await until('the old workers to end', () =>
    before.every((worker) => worker === undefined || !isAlive(worker)),
  )
})

test.each([0, 100, 200, 400])(
  'of a first process that is killed %i ms after its workers, nothing stays',
  async (ms) => {
    const kill = async (): Promise<void> => {
      signalProcess(room.node.process('l7r'), 'SIGKILL')
      await until('the first process to be gone', () => !isAlive(room.node.process('l7r')))
    }
    const young = (): number[] => (isAlive(room.node.process('l7r')) ? workers() : [])
    await kill()
    const starting = room.node.start('l7r').catch(() => {})
    await until('workers that start', () => young().length === 2)
    const started = young().map((pid) => identify(pid))
    await sleep(ms)
    await kill()
    await starting
    await until('them to be gone', () => started.every((worker) => worker === undefined || !isAlive(worker)))
    await room.node.start('l7r')
    expect(await serves()).toBe(true)
  },
)
test('on SIGUSR2 the first process ends alone; TERM to the next one ends also whom it has left behind', async () => {
  const session = await openSession()
  const before = workers().map((pid) => identify(pid))
  process.kill(room.doorPid, 'SIGUSR2')
  await until('the first process to be gone', () => !isAlive(room.node.process('l7r')))
  await room.node.start('l7r')
  expect(await serves()).toBe(true)
  await until('those without a session to end', () => living(before).length === 1)
  await expectEcho(session, 'still here')
  signalProcess(room.node.process('l7r'), 'SIGTERM')
  await until('the door to end', () => !isAlive(room.node.process('l7r')))
  await until('the session to end', () => session.closed)
  expect(living(before)).toHaveLength(0)
})

function living(all: readonly (ProcessIdentity | undefined)[]): ProcessIdentity[] {
  return all.filter((one) => one !== undefined && isAlive(one)) as ProcessIdentity[]
}
