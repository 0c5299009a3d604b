import { createHash, randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { TICKET_KINDS, type TicketKind } from '@ostler/proxy/model/ticket.ts'
import { addTicket, purgeTickets, takeTicket } from '@ostler/proxy/store/tickets.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addTestDesktop } from '../fixtures/database-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'

let database: TestDatabase
let db: Db
let another: Db
let vmId = 0

beforeAll(async () => {
  database = await openTestDatabase()
  db = database.as('l7r')
  another = database.another('l7r')
  vmId = await addTestDesktop(database.as('hkd'), '10.0.0.9')
})
afterAll(() => database[Symbol.asyncDispose]())

/** A new ticket's digest. */
async function ticket(options: { kind?: TicketKind; uses?: number; epoch?: number; seconds?: number } = {}) {
  const digest = createHash('sha256').update(randomBytes(8)).digest()
  const asked = { kind: 'console', vmId, epoch: 3, by: 'ann', detail: { user: 'root' }, seconds: 30 } as const
  await addTicket(db, { ...asked, digest, ...options })
  return digest
}

test('a ticket opens what it was made for, once, and says for whom', async () => {
  const digest = await ticket()
  expect(await takeTicket(another, digest, ['ssh', 'console'])).toEqual({
    kind: 'console',
    vmId,
    epoch: 3,
    by: 'ann',
    detail: { user: 'root' },
    usesLeft: 0,
  })
  expect(await takeTicket(db, digest, ['console'])).toBeUndefined()
})

test.each(TICKET_KINDS)('a ticket for %s can be kept', async (kind) => {
  expect(await takeTicket(db, await ticket({ kind }), [kind])).toMatchObject({ kind })
})

test('of twenty that come at once with one ticket, one gets in', async () => {
  const digest = await ticket()
  const doors = Array.from({ length: 20 }, (_, i) =>
    takeTicket(i % 2 === 0 ? db : another, digest, ['console']),
  )
  const taken = await Promise.all(doors)
  expect(taken.filter((each) => each !== undefined)).toHaveLength(1)
})

test('a ticket for several connections opens so many', async () => {
  const digest = await ticket({ uses: 3 })
  const taken = await Promise.all(Array.from({ length: 5 }, () => takeTicket(db, digest, ['console'])))
  expect(taken.filter((each) => each !== undefined)).toHaveLength(3)
})

test('a ticket of another kind is refused and stays good', async () => {
  const digest = await ticket()
  expect(await takeTicket(db, digest, ['ssh', 'hop'])).toBeUndefined()
  expect(await takeTicket(db, digest, ['console'])).toBeDefined()
})

test('a ticket for another boot, an old one, and one that nobody made are refused', async () => {
  expect(await takeTicket(db, await ticket({ epoch: 2 }), ['console'])).toBeUndefined()
  expect(await takeTicket(db, await ticket({ seconds: -1 }), ['console'])).toBeUndefined()
  expect(await takeTicket(db, randomBytes(32), ['console'])).toBeUndefined()
})

test('tickets that are too old are removed', async () => {
  await ticket({ seconds: -1 })
  const good = await ticket()
  await purgeTickets(db)
  const { rows } = await sql<{ old: string }>`
    SELECT count(*) AS old FROM ostler.ticket WHERE expires_at <= now()`.execute(database.as('hkd'))
  expect(rows[0]?.old).toBe('0')
  expect(await takeTicket(db, good, ['console'])).toBeDefined()
})
