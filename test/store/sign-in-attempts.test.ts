import { attemptRules } from '@ostler/proxy/model/attempt-rules.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import {
  chargeAttempt,
  chargeSignIn,
  isKnownAddress,
  settleSignIn,
} from '@ostler/proxy/store/sign-in-attempts.ts'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'

/** Waits are long beside what a slow machine takes for a statement. */
const RULE = { free: 3, firstSeconds: 100, maxSeconds: 450, forgetSeconds: 5_000 }
let database: TestDatabase
let db: Db

beforeAll(async () => {
  database = await openTestDatabase()
  db = database.as('l7r')
})
afterAll(() => database[Symbol.asyncDispose]())

/** As if so much time had passed for a subject. */
async function wait(subject: string, seconds: number): Promise<void> {
  await sql`UPDATE ostler.sign_in_failure SET last_at = last_at - make_interval(secs => ${seconds})
    WHERE subject = ${subject}`.execute(db)
}

async function failuresOf(subject: string): Promise<number> {
  const row = await db
    .selectFrom('sign_in_failure')
    .select('failures')
    .where('subject', '=', subject)
    .executeTakeFirst()
  return row?.failures ?? 0
}

async function charge(subject: string, times: number): Promise<void> {
  for (let time = 0; time < times; time++) expect(await chargeAttempt(db, subject, RULE)).toBe(0)
}

/** What is left of a wait, which began just now. */
function expectAbout(seconds: number, expected: number): void {
  expect(seconds).toBeGreaterThan(expected * 0.5)
  expect(seconds).toBeLessThanOrEqual(expected)
}

test('the first are free, then the wait doubles up to the longest', async () => {
  await charge('doubling', RULE.free)
  for (const expected of [100, 200, 400, 450, 450]) {
    expectAbout(await chargeAttempt(db, 'doubling', RULE), expected)
    await wait('doubling', expected)
    await charge('doubling', 1)
  }
  expect(await failuresOf('doubling')).toBe(RULE.free + 5)
})

test('who must wait is not counted, and does not wait the longer', async () => {
  await charge('patient', RULE.free)
  for (let time = 0; time < 10; time++) expectAbout(await chargeAttempt(db, 'patient', RULE), 100)
  expect(await failuresOf('patient')).toBe(RULE.free)
  await wait('patient', 100)
  await charge('patient', 1)
})

test('after a long time without any the count begins again', async () => {
  await charge('forgotten', RULE.free)
  await wait('forgotten', RULE.forgetSeconds + 1)
  await charge('forgotten', RULE.free)
  expectAbout(await chargeAttempt(db, 'forgotten', RULE), 100)
})

test('a great count does not overflow', async () => {
  await sql`INSERT INTO ostler.sign_in_failure (subject, failures, last_at) VALUES ('great', 2147483600, clock_timestamp())`.execute(
    db,
  )
  expectAbout(await chargeAttempt(db, 'great', RULE), 450)
})

test('a thousand at once are counted a thousand', async () => {
  const doors = [db, database.another('l7r')]
  const free = { ...RULE, free: 1_000 }
  const all = await Promise.all(
    Array.from({ length: 1_000 }, (_, at) => chargeAttempt(doors[at % 2] ?? db, 'flood', free)),
  )
  expect(all.every((seconds) => seconds === 0)).toBe(true)
  expect(await failuresOf('flood')).toBe(1_000)
  expect(await chargeAttempt(db, 'flood', free)).toBeGreaterThan(0)
})

test('of a thousand at once no more are judged than are free', async () => {
  const all = await Promise.all(Array.from({ length: 1_000 }, () => chargeAttempt(db, 'guesses', RULE)))
  expect(all.filter((seconds) => seconds === 0)).toHaveLength(RULE.free)
})

let people = 0
let marks = 0
/** Somebody nobody has counted, at an address of her own. */
function somebody(address = `192.0.2.${++people}`) {
  return { tenantId: 1, login: `somebody${++people}`, address, mark: 0 }
}

function rulesOf(limits: { pair?: number; address?: number; user?: number }) {
  const rules = attemptRules({ pair: 0, address: 0, user: 0, ...limits })
  const slow = (rule: typeof rules.pair) => ({ ...rule, firstSeconds: 100, maxSeconds: 100 })
  return { pair: slow(rules.pair), address: slow(rules.address), user: slow(rules.user) }
}

async function fail(subject: ReturnType<typeof somebody>, rules: ReturnType<typeof rulesOf>) {
  // Other credentials each time.
  const charge = await chargeSignIn(db, { ...subject, mark: ++marks % 65_536 }, rules)
  if (charge.seconds === 0) await settleSignIn(db, subject, rules, charge, 'wrong')
  return charge.seconds
}

async function succeed(subject: ReturnType<typeof somebody>, rules: ReturnType<typeof rulesOf>) {
  const charge = await chargeSignIn(db, { ...subject, mark: ++marks % 65_536 }, rules)
  expect(charge.seconds).toBe(0)
  await settleSignIn(db, subject, rules, charge, 'in')
}

test('a limit of 0 is none', async () => {
  const ann = somebody()
  for (let time = 0; time < 50; time++) expect(await fail(ann, rulesOf({}))).toBe(0)
})

test('an address waits for all its users, but for those who have signed in from it', async () => {
  const rules = rulesOf({ address: 2 })
  const ann = somebody()
  await succeed(ann, rules)
  expect(await isKnownAddress(db, ann)).toBe(true)
  for (let time = 0; time < 2; time++) expect(await fail(somebody(ann.address), rules)).toBe(0)
  expect(await fail(somebody(ann.address), rules)).toBeGreaterThan(0)
  expect(await fail(ann, rules)).toBe(0)
  expect(await fail(somebody(), rules)).toBe(0)
})

test('a user waits wherever others guess, but not where she has signed in before', async () => {
  const rules = rulesOf({ user: 2 })
  const ann = somebody()
  await succeed(ann, rules)
  const elsewhere = (count: number) => ({ ...ann, address: `198.51.100.${count}` })
  for (let time = 0; time < 2; time++) expect(await fail(elsewhere(time), rules)).toBe(0)
  expect(await fail(elsewhere(3), rules)).toBeGreaterThan(0)
  expect(await fail(ann, rules)).toBe(0)
})

test('another tenant, and another login, are other users', async () => {
  const rules = rulesOf({ pair: 1 })
  const ann = somebody()
  expect(await fail(ann, rules)).toBe(0)
  expect(await fail(ann, rules)).toBeGreaterThan(0)
  expect(await fail({ ...ann, tenantId: 2 }, rules)).toBe(0)
  expect(await fail({ ...ann, login: `${ann.login}x` }, rules)).toBe(0)
})

test('a success clears her own count, and takes only itself off the others', async () => {
  const rules = rulesOf({ pair: 3, address: 4 })
  const ann = somebody()
  const eve = somebody(ann.address)
  for (let time = 0; time < 2; time++) expect(await fail(ann, rules)).toBe(0)
  await succeed(ann, rules)
  for (let time = 0; time < 3; time++) expect(await fail(ann, rules)).toBe(0)
  expect(await fail(ann, rules)).toBeGreaterThan(0)
  // Her two failures before she was known still count for the address.
  for (let time = 0; time < 2; time++) expect(await fail(eve, rules)).toBe(0)
  expect(await fail(somebody(ann.address), rules)).toBeGreaterThan(0)
})

test("who has an account of her own cannot clear an address's count with it", async () => {
  const rules = rulesOf({ address: 3 })
  const eve = somebody()
  await succeed(eve, rules)
  for (let time = 0; time < 3; time++) {
    expect(await fail(somebody(eve.address), rules)).toBe(0)
    await succeed(eve, rules)
  }
  expect(await fail(somebody(eve.address), rules)).toBeGreaterThan(0)
})

test('who must wait by one count is counted by none', async () => {
  const rules = rulesOf({ pair: 50, address: 1, user: 50 })
  const ann = somebody()
  expect(await fail(ann, rules)).toBe(0)
  for (let time = 0; time < 5; time++) expect(await fail(ann, rules)).toBeGreaterThan(0)
  expect(await failuresOf(JSON.stringify(['pair', 1, ann.login, ann.address]))).toBe(1)
  expect(await failuresOf(JSON.stringify(['user', 1, ann.login]))).toBe(1)
})

test('an attempt that nobody could judge is taken off all counts', async () => {
  const rules = rulesOf({ pair: 1, address: 1, user: 1 })
  const ann = somebody()
  for (let time = 0; time < 5; time++) {
    const charge = await chargeSignIn(db, ann, rules)
    expect(charge.seconds).toBe(0)
    await settleSignIn(db, ann, rules, charge, 'unknown')
  }
  expect(await isKnownAddress(db, ann)).toBe(false)
})

test('of a hundred guesses at once, by all three counts, no more are judged than are free', async () => {
  const rules = rulesOf({ pair: 4, address: 60, user: 40 })
  const ann = somebody()
  const all = await Promise.all(Array.from({ length: 100 }, () => fail(ann, rules)))
  expect(all.filter((seconds) => seconds === 0)).toHaveLength(4)
})

test('five hundred who sign in at once from one address are no attack', async () => {
  const rules = rulesOf({ pair: 5, address: 60, user: 40 })
  const office = somebody().address
  const colleagues = Array.from({ length: 500 }, () => somebody(office))
  const waits = await Promise.all(colleagues.map((each) => chargeSignIn(db, each, rules)))
  expect(waits.filter(({ seconds }) => seconds > 0)).toEqual([])
})

test('equal credentials within ten seconds are one attempt, whichever door gets them', async () => {
  const rules = rulesOf({ pair: 2, address: 2, user: 2 })
  const ann = { ...somebody(), mark: 4711 }
  const doors = [db, database.another('l7r')]
  for (let time = 0; time < 20; time++) {
    const charge = await chargeSignIn(doors[time % 2] ?? db, ann, rules)
    expect(charge).toEqual({ seconds: 0, isAgain: time > 0 })
    await settleSignIn(db, ann, rules, charge, 'wrong')
  }
  expect(await failuresOf(JSON.stringify(['pair', 1, ann.login, ann.address]))).toBe(1)
  expect(await failuresOf(JSON.stringify(['address', ann.address]))).toBe(1)
  await wait(JSON.stringify(['pair', 1, ann.login, ann.address]), 11)
  expect(await chargeSignIn(db, ann, rules)).toEqual({ seconds: 0, isAgain: false })
})
