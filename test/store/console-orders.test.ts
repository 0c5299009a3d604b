import { makeTicket } from '@ostler/proxy/model/ticket-text.ts'
import {
  keepSigned,
  openConsoleOrders,
  orderConsole,
  readSigned,
} from '@ostler/proxy/store/console-orders.ts'
import { registerHost } from '@ostler/proxy/store/hosts.ts'
import { addTicket, purgeTickets } from '@ostler/proxy/store/tickets.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addTestFlavour, addTestUser } from '../fixtures/database-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'

let database: TestDatabase
let vmId = 0
let here = 0
let elsewhere = 0

beforeAll(async () => {
  database = await openTestDatabase()
  const hkd = database.as('hkd')
  here = await registerHost(hkd, 'here', 1024, 6)
  elsewhere = await registerHost(hkd, 'elsewhere', 1024, 6)
  const { id } = await hkd
    .insertInto('vm')
    .values({
      name: 'desk',
      user_id: await addTestUser(hkd),
      flavour_id: await addTestFlavour(hkd),
      address: '10.0.0.9',
      epoch: 3,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  vmId = id
  await hkd
    .updateTable('vm')
    .set({ prior: 'booting', state: 'running', host_id: here })
    .where('id', '=', vmId)
    .execute()
})
afterAll(() => database[Symbol.asyncDispose]())

/** Orders a console as the api does; its ticket's digest. */
async function order(changes: { epoch?: number; seconds?: number; account?: string } = {}): Promise<Buffer> {
  const { digest } = makeTicket()
  const ticket = { digest, vmId, epoch: changes.epoch ?? 3, by: 'eve', seconds: changes.seconds ?? 30 }
  await orderConsole(database.as('api'), ticket, changes.account ?? 'root')
  return digest
}

const waiting = async (hostId = here) =>
  (await openConsoleOrders(database.as('hkd'), hostId)).map(({ digest }) => digest.toString('hex'))

test('an order waits for the node of its desktop, is signed there once, and read by the door', async () => {
  const digest = await order({ account: 'ann' })
  expect(await waiting(elsewhere)).toEqual([])
  const [found] = await openConsoleOrders(database.as('hkd'), here)
  expect(found).toEqual({ digest, vmId, epoch: 3, by: 'eve', account: 'ann' })
  expect(await readSigned(database.as('l7r'), digest)).toBeUndefined()
  if (found !== undefined) await keepSigned(database.as('hkd'), found, 'signed')
  expect(await readSigned(database.as('l7r'), digest)).toBe('signed')
  expect(await waiting()).toEqual([])
})

test('an order for another boot, or one that is too old, is not signed', async () => {
  await order({ epoch: 2 })
  await order({ seconds: -1 })
  expect(await waiting()).toEqual([])
})

test('neither an option, a path nor an empty name is an account', async () => {
  for (const account of ['-c', '../root', '', 'a b', 'root\n'])
    await expect(order({ account })).rejects.toThrow(/check constraint/)
})

test('an order goes with its ticket', async () => {
  const digest = await order({ seconds: -1 })
  await purgeTickets(database.as('l7r'))
  const left = await database.as('hkd').selectFrom('console_order').select('digest').execute()
  expect(left.map((row) => row.digest.toString('hex'))).not.toContain(digest.toString('hex'))
})

test('the door can neither order a console, nor sign one, nor make another ticket out of one', async () => {
  const digest = await order()
  const l7r = database.as('l7r')
  const { digest: own } = makeTicket()
  const asked = { digest: own, vmId, epoch: 3, by: 'ann', seconds: 30 }
  await expect(orderConsole(l7r, asked, 'root')).rejects.toThrow(/permission denied/)
  await addTicket(l7r, { ...asked, kind: 'folder' })
  const changes = [
    l7r.updateTable('ticket').set({ kind: 'console' }),
    l7r.updateTable('ticket').set({ vm_id: vmId }),
    l7r.updateTable('ticket').set({ by: 'eve' }),
    l7r.updateTable('console_order').set({ signed: 'forged' }),
    l7r.updateTable('console_order').set({ account: 'root' }),
  ]
  for (const change of changes) await expect(change.execute()).rejects.toThrow(/permission denied/)
  await expect(
    database.as('api').updateTable('console_order').set({ signed: 'forged' }).execute(),
  ).rejects.toThrow(/permission denied/)
  expect(await readSigned(l7r, digest)).toBeUndefined()
})
