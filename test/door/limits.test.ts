import { afterAll, beforeAll, expect, test } from 'vitest'
import { get } from '../fixtures/door.ts'
import { askDoor, type DoorAnswer } from '../fixtures/door-connection.ts'
import { NodeDatabase } from '../fixtures/node-database.ts'
import { PASSWORD, startWorld, until, type World } from '../fixtures/world.ts'

/** How wrong sign-ins slow the next ones, over real connections from several addresses. */

const PAIR = 5
const ADDRESS = 12
const USER = 9

let world: World
let database: NodeDatabase
let fresh = 0

beforeAll(async () => {
  world = await startWorld({
    'l7r.auth.limit.pair': String(PAIR),
    'l7r.auth.limit.address': String(ADDRESS),
    'l7r.auth.limit.user': String(USER),
  })
  database = world.scope.own(new NodeDatabase(world))
})
afterAll(async () => await world[Symbol.asyncDispose]())

const list = (login: string, password = PASSWORD): string => get('/qvd/list_of_vm', login, [], password)

async function addPerson(login: string): Promise<string> {
  await world.qa(`user add login=${login} password=-`)
  return login
}

/** Guesses once, with a password that nobody has tried before. */
async function guess(login: string, from: string): Promise<DoorAnswer> {
  return await askDoor(world, list(login, `guess ${fresh++}`), from)
}

/**
 * Guesses until there is a wait. A wait may pass before the next guess on a slow machine, but each next one is twice
 * as long.
 * @returns how many guesses were judged, and the answer that told to wait.
 */
async function guessUntilSlowed(
  login: string,
  from: string,
): Promise<{ judged: number; slowed: DoorAnswer }> {
  for (let judged = 0; judged < 20; judged++) {
    const answer = await guess(login, from)
    if (answer.status === 429) return { judged, slowed: answer }
    expect(answer.status).toBe(401)
  }
  throw new Error('twenty guesses were judged')
}

function failuresOf(...subject: unknown[]): Promise<number> {
  return database.db
    .selectFrom('sign_in_failure')
    .select('failures')
    .where('subject', '=', JSON.stringify(subject))
    .executeTakeFirst()
    .then((row) => row?.failures ?? 0)
}

test('six wrong passwords of one user from one address: 429 with the seconds; elsewhere she gets in', async () => {
  const login = await addPerson('ann')
  const { judged, slowed } = await guessUntilSlowed(login, '127.0.0.1')
  expect(judged).toBeGreaterThanOrEqual(PAIR)
  expect(slowed.body).toMatch(/^too many failed sign-ins: wait [1-9]\d* s\r\n$/)
  expect(slowed.headers.get('Content-Length')).toBe(String(slowed.body.length))
  // While he must wait, her right password tells the guesser nothing.
  await database.db
    .updateTable('sign_in_failure')
    .set({ failures: 100, last_at: new Date() })
    .where('subject', '=', JSON.stringify(['pair', 1, login, '127.0.0.1']))
    .execute()
  expect((await askDoor(world, list(login), '127.0.0.1')).body).toMatch(
    /^too many failed sign-ins: wait (60|[1-5]\d) s/,
  )
  expect((await askDoor(world, list(login), '127.0.0.2')).status).toBe(200)
})

test('whoever waits gets in again with the right password, and the count is gone', async () => {
  const login = await addPerson('bea')
  await guessUntilSlowed(login, '127.0.1.1')
  await until(
    'the wait to pass',
    async () => (await askDoor(world, list(login), '127.0.1.1')).status === 200,
    60_000,
  )
  expect(await failuresOf('pair', 1, login, '127.0.1.1')).toBe(0)
  for (let round = 0; round < PAIR; round++) expect((await guess(login, '127.0.1.1')).status).toBe(401)
})

test('a success before the limit takes the count away', async () => {
  const login = await addPerson('cleo')
  for (let round = 0; round < PAIR - 1; round++) await guess(login, '127.0.2.1')
  expect((await askDoor(world, list(login), '127.0.2.1')).status).toBe(200)
  for (let round = 0; round < PAIR; round++) expect((await guess(login, '127.0.2.1')).status).toBe(401)
})

test('equal wrong credentials within ten seconds are one failure, at once and one after the other', async () => {
  const login = await addPerson('dora')
  const began = performance.now()
  const request = list(login, 'mistyped')
  await Promise.all([1, 2, 3, 4].map(() => askDoor(world, request, '127.0.3.1')))
  for (let round = 0; round < 5; round++)
    expect((await askDoor(world, request, '127.0.3.1')).status).toBe(401)
  const periods = Math.floor((performance.now() - began) / 10_000)
  expect(await failuresOf('pair', 1, login, '127.0.3.1')).toBeLessThanOrEqual(1 + periods)
  // From elsewhere it is another attempt.
  await askDoor(world, request, '127.0.3.2')
  expect(await failuresOf('pair', 1, login, '127.0.3.2')).toBe(1)
})

test('the same name in another spelling is the same user', async () => {
  const login = await addPerson('emma')
  for (const spelling of ['emma', 'EMMA', ' Emma ', 'emma@default', 'emma#DEFAULT'])
    expect((await guess(spelling, '127.0.4.1')).status).toBe(401)
  expect(await failuresOf('pair', 1, login, '127.0.4.1')).toBe(PAIR)
})

test('many names from one address are slowed; who has signed in from there before is not', async () => {
  const login = await addPerson('fay')
  const from = '127.0.5.1'
  expect((await askDoor(world, list(login), from)).status).toBe(200)
  let slowed: DoorAnswer | undefined
  for (let round = 0; round < ADDRESS * 3 && slowed?.status !== 429; round++)
    slowed = await guess(`nobody${round}`, from)
  expect(slowed).toMatchObject({ status: 429 })
  expect((await askDoor(world, list(login), from)).status).toBe(200)
})

test('whoever has an account does not take her guesses at others off the count by signing in between', async () => {
  const login = await addPerson('ivy')
  const from = '127.0.9.1'
  expect((await askDoor(world, list(login), from)).status).toBe(200)
  let slowed: DoorAnswer | undefined
  for (let round = 0; round < ADDRESS * 3 && slowed?.status !== 429; round++) {
    slowed = await guess(`somebody${round}`, from)
    expect((await askDoor(world, list(login), from)).status).toBe(200)
  }
  expect(slowed).toMatchObject({ status: 429 })
})

test('what is not judged because an address must wait counts against nobody', async () => {
  const login = await addPerson('jil')
  const from = '127.0.10.1'
  await guess('whoever', from)
  await database.db
    .updateTable('sign_in_failure')
    .set({ failures: 100, last_at: new Date() })
    .where('subject', '=', JSON.stringify(['address', from]))
    .execute()
  for (let round = 0; round < PAIR + 2; round++)
    expect((await askDoor(world, list(login), from)).status).toBe(429)
  expect(await failuresOf('pair', 1, login, from)).toBe(0)
  expect(await failuresOf('user', 1, login)).toBe(0)
})

test('one name from many addresses is slowed; where she has signed in before she is not', async () => {
  const login = await addPerson('gina')
  expect((await askDoor(world, list(login), '127.0.6.250')).status).toBe(200)
  let slowed: DoorAnswer | undefined
  for (let round = 1; round < USER * 3 && slowed?.status !== 429; round++)
    slowed = await guess(login, `127.0.6.${round}`)
  expect(slowed).toMatchObject({ status: 429 })
  expect((await askDoor(world, list(login), '127.0.6.250')).status).toBe(200)
})

test('forty guesses at once are forty: no more are judged than the limit allows', async () => {
  const login = await addPerson('hana')
  const began = performance.now()
  const answers = await Promise.all(Array.from({ length: 40 }, () => guess(login, '127.0.7.1')))
  const judged = answers.filter(({ status }) => status === 401).length
  // After the first wait of a second one more is judged, after two more the next one, and so on.
  const waits = Math.ceil(Math.log2((performance.now() - began) / 1_000 + 2))
  expect(judged).toBeGreaterThanOrEqual(PAIR)
  expect(judged).toBeLessThanOrEqual(PAIR + waits)
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(40 - judged)
})

test('tokens have nothing to guess and are not slowed', async () => {
  const bearer = (token: string): string =>
    get('/qvd/list_of_vm', undefined, [`Authorization: Bearer ${Buffer.from(token).toString('base64')}`])
  for (let round = 0; round < ADDRESS * 2; round++)
    expect((await askDoor(world, bearer(`no such token ${round}`), '127.0.8.1')).status).toBe(401)
})
