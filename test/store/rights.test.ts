import { makeTicket } from '@ostler/proxy/model/ticket-text.ts'
import { WISH_KINDS } from '@ostler/proxy/model/wish.ts'
import { addTicket } from '@ostler/proxy/store/tickets.ts'
import { addWish } from '@ostler/proxy/store/vms.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addTestDesktop } from '../fixtures/database-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'

/** What a process that is taken over could do to the rows of others. */
let database: TestDatabase
let vmId = 0

beforeAll(async () => {
  database = await openTestDatabase()
  vmId = await addTestDesktop(database.as('hkd'), '10.0.0.9')
})
afterAll(() => database[Symbol.asyncDispose]())

test('the api can add tickets, and neither see, use, change nor remove those of others', async () => {
  const api = database.as('api')
  const { digest } = makeTicket()
  await addTicket(api, { digest, vmId, epoch: 3, by: 'ann', seconds: 30, kind: 'folder' })
  await expect(api.selectFrom('ticket').selectAll().execute()).rejects.toThrow(/permission denied/)
  await expect(api.deleteFrom('ticket').execute()).rejects.toThrow(/permission denied/)
  await expect(api.updateTable('ticket').set({ uses_left: 9 }).execute()).rejects.toThrow(/permission denied/)
})

test('the door can wish what users wish, and nothing that is for administrators and nodes', async () => {
  const l7r = database.as('l7r')
  for (const kind of ['run', 'stop'] as const) await addWish(l7r, { vmId, kind, by: 'ann', reason: 'test' })
  for (const kind of WISH_KINDS.filter((each) => each !== 'run' && each !== 'stop'))
    await expect(addWish(l7r, { vmId, kind, by: 'ann', reason: 'test' })).rejects.toThrow(
      /row-level security/,
    )
})
