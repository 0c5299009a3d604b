import { silentLog } from '@ostler/kit/log.ts'
import { listenForHints } from '@ostler/proxy/store/hints.ts'
import { appendFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { get, UPGRADE } from '../fixtures/door.ts'
import { askDoor, DoorConnection } from '../fixtures/door-connection.ts'
import { NodeDatabase } from '../fixtures/node-database.ts'
import { startWorld, until, type World } from '../fixtures/world.ts'

/** Statements of compatibility page 12 about stopping one's own desktop. */

let world: World
let database: NodeDatabase
let ann: number
let bob: number

beforeAll(async () => {
  world = await startWorld({
    'l7r.auth.limit.pair': '0',
    'l7r.auth.limit.address': '0',
    'l7r.auth.limit.user': '0',
  })
  database = world.scope.own(new NodeDatabase(world))
  ann = await world.addUser('ann')
  bob = await world.addUser('bob')
})
afterAll(async () => await world[Symbol.asyncDispose]())

const stop = (id: number | string, login = 'ann', headers: string[] = []): string =>
  get(`/qvd/stop_vm?id=${id}`, login, headers)

async function wishes(vmId: number) {
  return await database.db
    .selectFrom('wish')
    .select(['kind', 'by', 'reason'])
    .where('vm_id', '=', vmId)
    .orderBy('number')
    .execute()
}

test.each([
  ['without id', '/qvd/stop_vm', 422, 'parameter id is missing'],
  ['with an empty id', '/qvd/stop_vm?id=', 422, 'parameter id is missing'],
  ['of an unknown desktop', '/qvd/stop_vm?id=99999', 404, 'The requested virtual machine does not exist'],
  ['of what is no number', '/qvd/stop_vm?id=ann', 404, 'The requested virtual machine does not exist'],
])('C-52 stop %s', async (_, path, status, body) => {
  using connection = await DoorConnection.open(world)
  expect(await connection.ask(get(path, 'ann'))).toMatchObject({ status, body: `${body}\r\n`, interims: [] })
  // The C client's restart never has an id, and connects nonetheless (T7): the connection goes on.
  expect((await connection.ask(get('/qvd/list_of_vm', 'ann'))).status).toBe(200)
})

test("C-52 stop of somebody else's desktop gives 403, and nothing is written", async () => {
  const body = 'You are not allowed to access requested virtual machine\r\n'
  expect(await askDoor(world, stop(bob))).toMatchObject({ status: 403, body })
  expect(await wishes(bob)).toEqual([])
})

test('C-52 stop without credentials gives 401, whatever else is missing', async () => {
  for (const path of ['/qvd/stop_vm', `/qvd/stop_vm?id=${ann}`, '/qvd/stop_vm?id=99999'])
    expect((await askDoor(world, get(path))).status).toBe(401)
})

const STOPPED = { status: 200, reason: 'OK', body: 'Machine stopped\r\n' }

test('C-53 stop on a stopped desktop gives 200 "Machine stopped" CRLF at once', async () => {
  const answer = await askDoor(world, stop(ann))
  expect(answer).toMatchObject({ ...STOPPED, interims: [] })
  expect(answer.headers.get('Content-Type')).toBe('text/plain')
  expect(await wishes(ann)).toEqual([])
})

test('C-54 stop on a running desktop sends 102s and finally 200; the wish is written and a hint sent', async () => {
  await world.qa('vm start -f name=ann')
  await world.untilVm('ann', 'running')
  const hints: (number | undefined)[] = []
  const host = `${world.node.settings.folder}/run/postgres`
  const address = { host, port: 5432, database: 'ostler', user: 'ostler_hkd' }
  await using _ = listenForHints(address, ['ostler_vm'], (_channel, id) => void hints.push(id), silentLog)
  await until('hints to be heard', () => hints.length > 0)
  const before = (await wishes(ann)).length
  // As the Perl client sends it, with the headers of an upgrade (T7).
  const answer = await askDoor(world, stop(ann, 'ann', UPGRADE))
  expect(answer).toMatchObject(STOPPED)
  expect(answer.interims[0]).toBe('Stopping virtual machine')
  expect(new Set(answer.interims.slice(1))).toEqual(new Set(["Waiting for VM to reach state 'stopped'"]))
  expect((await world.vm('ann')).state).toBe('stopped')
  expect((await wishes(ann)).slice(before)).toEqual([{ kind: 'stop', by: 'ann', reason: 'stop_vm' }])
  await until('the hint', () => hints.includes(ann))
})

test('C-54 list, stop and list again on one connection', async () => {
  await world.qa('vm start -f name=ann')
  await world.untilVm('ann', 'running')
  using connection = await DoorConnection.open(world)
  const states = async (): Promise<unknown> =>
    JSON.parse((await connection.ask(get('/qvd/list_of_vm', 'ann'))).body)
  expect(await states()).toMatchObject([{ state: 'running' }])
  expect(await connection.ask(stop(ann, 'ann', UPGRADE))).toMatchObject(STOPPED)
  expect(await states()).toMatchObject([{ state: 'stopped' }])
})

test('C-55 stop on a zombie gives 503 containing "unstoppable state (zombie)"', async () => {
  const zombie = await world.addUser('zoe')
  // Of no node, so that no hkd looks whether it is dead.
  await database.db
    .updateTable('vm')
    .set({ prior: 'running', state: 'lost' })
    .where('id', '=', zombie)
    .execute()
  const body = 'The requested virtual machine is in an unstoppable state (zombie)\r\n'
  expect(await askDoor(world, stop(zombie, 'zoe'))).toMatchObject({ status: 503, body, interims: [] })
  expect(await wishes(zombie)).toEqual([])
  const list = await askDoor(world, get('/qvd/list_of_vm', 'zoe'))
  expect(JSON.parse(list.body)).toMatchObject([{ state: 'zombie' }])
})

// Last: without hkd nothing stops.
test('C-56 a stop that takes longer than the limit gives 408', async () => {
  appendFileSync(world.node.config, 'internal.l7r.timeout.vm_stop = 2\n')
  await world.node.crash('l7r')
  await world.node.start('l7r')
  await world.qa('vm start -f name=bob')
  await world.untilVm('bob', 'running')
  await world.node.crash('hkd')
  const answer = await askDoor(world, stop(bob, 'bob'))
  expect(answer).toMatchObject({ status: 408, body: "VM didn't reach state 'stopped'. Timeout\r\n" })
  expect(answer.interims.length).toBeGreaterThan(1)
  expect(await wishes(bob)).toMatchObject([{ kind: 'run' }, { kind: 'stop', by: 'bob' }])
})
