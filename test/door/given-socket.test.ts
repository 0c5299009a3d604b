import { isAlive, signalProcess } from '@ostler/kit/process-table.ts'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askDoor, DoorConnection } from '../fixtures/door-connection.ts'
import { DoorRoom } from '../fixtures/door-room.ts'
import { freePort, until } from '../fixtures/world.ts'

/** As systemd starts a service with a socket unit: binds, puts the socket at 3, says so, and becomes the service. */
const STARTER = `
  use Socket; use POSIX qw(dup2);
  $^F = 3; # what is opened at 3 stays open behind exec
  my $port = shift;
  socket(my $door, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
  setsockopt($door, SOL_SOCKET, SO_REUSEADDR, pack("l", 1)) or die "setsockopt: $!";
  bind($door, sockaddr_in($port, INADDR_LOOPBACK)) or die "bind: $!";
  listen($door, 128) or die "listen: $!";
  dup2(fileno($door), 3) or die "dup2: $!";
  @ENV{qw(LISTEN_PID LISTEN_FDS LISTEN_FDNAMES)} = ($$, 1, "door");
  exec @ARGV or die "exec: $!";`

const INSTANCE = 'l7r-77'
let room: DoorRoom
let given: { readonly port: number }

beforeAll(async () => {
  room = await DoorRoom.open()
  given = { port: await freePort() }
  await open()
})
afterAll(() => room[Symbol.asyncDispose]())

/** Its own port is taken: it could not open if it tried to. */
async function open(): Promise<void> {
  const starter = ['perl', '-e', STARTER, String(given.port)]
  await room.node.startDoor(INSTANCE, room.port, { 'l7r.workers': '2' }, starter)
  await until('both workers', () => workers().length === 2 && opened() >= 2)
}

const opened = (): number => room.node.output(INSTANCE).split('"door open"').length - 1

function workers(): number[] {
  const { pid } = room.node.process(INSTANCE)
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.split(' ').filter(Boolean).map(Number)
}

async function serves(): Promise<boolean> {
  const answer = await askDoor(given, 'GET /qvd/ping HTTP/1.1\n\n').catch(() => undefined)
  return answer?.status === 200
}

test('a door serves at the socket it was given, says that its own port is not used, and tells other doors', async () => {
  for (let round = 0; round < 4; round++) expect(await serves()).toBe(true)
  expect(room.node.output(INSTANCE)).toContain('l7r.address and l7r.port are not used')
  for (const pid of workers()) expect(readFileSync(`/proc/${pid}/environ`, 'latin1')).not.toContain('LISTEN_')
  await until('the row to say it', async () => {
    const row = await room.db.selectFrom('host').selectAll().executeTakeFirst()
    return row?.door_port === given.port
  })
})

test('new workers, and one in place of a dead one, serve at the same socket', async () => {
  const before = workers()
  process.kill(room.node.process(INSTANCE).pid, 'SIGHUP')
  await until('two others', () => workers().length === 2 && workers().every((pid) => !before.includes(pid)))
  expect(await serves()).toBe(true)
  const [victim = 0] = workers()
  process.kill(victim, 'SIGKILL')
  await until('it to be missed', () => room.node.output(INSTANCE).includes('a worker of the door is gone'))
  await until('the other one to serve', () => serves())
  await until('two workers', () => workers().length === 2 && !workers().includes(victim) && opened() >= 5)
  for (let round = 0; round < 4; round++) expect(await serves()).toBe(true)
})

test('when the last worker is gone the door ends, so that it is started again with its socket', async () => {
  const door = room.node.process(INSTANCE)
  for (const pid of workers()) process.kill(pid, 'SIGKILL')
  await until('the door to end', () => !isAlive(door))
  expect(room.node.output(INSTANCE)).toContain('the last worker is gone')
  await open()
  using connection = await DoorConnection.open(given)
  expect((await connection.ask('GET /qvd/ping HTTP/1.1\n\n')).status).toBe(200)
  signalProcess(room.node.process(INSTANCE), 'SIGTERM')
  await until('the door to end', () => !isAlive(room.node.process(INSTANCE)))
})
