import { Scope } from '@ostler/kit/scope.ts'
import { addUser } from '@ostler/proxy/store/admin.ts'
import { purgeSignIns, saveAuthParameters } from '@ostler/proxy/store/tokens.ts'
import { openCookieJar } from '@ostler/proxy/l7r/portal/cookie.ts'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type BareDoor, openBareDoor } from '../fixtures/bare-door.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { type Answer, Visitor } from '../fixtures/visitor.ts'
import { freePort } from '../fixtures/world.ts'

/** Pairing of native clients, over the real doors of one database. */

const scope = new Scope()
const users = new Map<string, number>()
let database: TestDatabase
let door: BareDoor
let other: BareDoor
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-pairing-'))
  scope.defer(() => rmSync(folder, { recursive: true }))
  database = scope.own(await openTestDatabase())
  door = scope.own(await openBareDoor(database, folder, await freePort(), {}))
  other = scope.own(await openBareDoor(database, folder, await freePort(), {}))
  for (const login of ['ann', 'bob', 'cid'])
    users.set(login, await addUser(database.as('api'), { tenantId: 1, role: 'user', login, password: '' }))
})
afterAll(() => scope.close())
beforeEach(async () => {
  await door.db.deleteFrom('sign_in_failure').execute()
  await door.db.deleteFrom('pairing').execute()
})

const at = (path: string, { port } = door): string => `https://localhost:${port}/portal/api/${path}`

interface Device {
  readonly device_code: string
  readonly user_code: string
}

/** A device begins. */
async function begin(client = 'ostler on a laptop'): Promise<Device> {
  const { status, json } = await new Visitor().visit(at('pair'), { json: { client } })
  expect(status).toBe(200)
  return json as Device
}

async function poll({ device_code }: Device, of = door): Promise<Answer> {
  return await new Visitor().visit(at('pair/token', of), { json: { device_code } })
}

/** The time between two polls goes by. */
async function waitInterval(): Promise<void> {
  await door.db.updateTable('pairing').set({ polled_at: null }).execute()
}

/** A browser in which somebody is signed in, with what plugins said about her. */
async function signedIn(login: string, groups: readonly string[] = []) {
  const userId = users.get(login) ?? 0
  const said = { parameters: { 'qvd.vm.user.name': login }, groups }
  const parametersId = await saveAuthParameters(door.db, userId, said, 600)
  const jar = openCookieJar(join(folder, 'cookie.key'), () => Date.now())
  const cookie = `ostler=${jar.bake({ userId, parametersId })}`
  return (path: string, json: unknown, of = door): Promise<Answer> =>
    new Visitor().visit(at(path, of), {
      json,
      headers: { Cookie: cookie, Origin: `https://localhost:${of.port}` },
    })
}

const codeOf = ({ json }: Answer): unknown => (json as { fault?: string } | undefined)?.fault

async function listWith(token: string, of = door): Promise<Answer> {
  return await new Visitor().visit(`https://localhost:${of.port}/qvd/list_of_vm`, {
    headers: { Authorization: `Bearer ${Buffer.from(token).toString('base64')}` },
  })
}

describe('a device', () => {
  test('gets two codes and is told where and how long', async () => {
    const { json } = await new Visitor().visit(at('pair'), { json: { client: 'x' } })
    expect(json).toEqual({
      device_code: expect.stringMatching(/^[\w-]{43}$/) as string,
      user_code: expect.stringMatching(/^[B-Z]{4}-[B-Z]{4}$/) as string,
      verification_path: '/portal/#pair',
      expires_in: 600,
      interval: 3,
    })
  })

  test('is shown to its user, waits, is confirmed at another door, and lists her desktops with its token', async () => {
    const device = await begin()
    expect((await poll(device)).status).toBe(202)
    const ann = await signedIn('ann', ['staff'])
    const shown = await ann('pair/show', { user_code: device.user_code.toLowerCase().replace('-', ' ') })
    expect(shown.json).toMatchObject({ client: 'ostler on a laptop', address: '127.0.0.1' })
    expect((await ann('pair/confirm', { user_code: device.user_code, allow: true }, other)).status).toBe(204)
    await waitInterval()
    const got = await poll(device)
    expect(got.status).toBe(200)
    const { token } = got.json as { token: string }
    expect(token).toMatch(/^[A-Za-z0-9]{43}$/)
    for (const of of [door, other, door])
      expect([(await listWith(token, of)).status, (await listWith(token, of)).json]).toEqual([200, []])
  })

  test('has the parameters and groups of who confirmed it', async () => {
    const device = await begin()
    const ann = await signedIn('ann', ['staff', 'physics'])
    await ann('pair/confirm', { user_code: device.user_code, allow: true })
    await poll(device)
    const row = await door.db
      .selectFrom('user_token')
      .innerJoin('user_auth_parameters', 'user_auth_parameters.id', 'parameters_id')
      .select(['groups', 'parameters', 'multi_use', 'user_token.user_id'])
      .orderBy('user_auth_parameters.id', 'desc')
      .executeTakeFirstOrThrow()
    expect(row).toEqual({
      groups: ['staff', 'physics'],
      parameters: { 'qvd.vm.user.name': 'ann' },
      multi_use: true,
      user_id: users.get('ann'),
    })
  })

  test('gets its token once', async () => {
    const device = await begin()
    await (
      await signedIn('ann')
    )('pair/confirm', { user_code: device.user_code, allow: true })
    const answers = await Promise.all([poll(device), poll(device, other), poll(device), poll(device, other)])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 410, 410, 410])
    expect(codeOf(await poll(device))).toBe('pair.expired')
  })

  test('that is refused is told so', async () => {
    const device = await begin()
    await (
      await signedIn('ann')
    )('pair/confirm', { user_code: device.user_code, allow: false })
    const answer = await poll(device)
    expect([answer.status, codeOf(answer)]).toEqual([403, 'pair.refused'])
  })

  test('that asks too often is told to wait, at whichever door, and loses nothing by it', async () => {
    const device = await begin()
    expect((await poll(device)).status).toBe(202)
    await door.db
      .updateTable('pairing')
      .set({ polled_at: new Date(Date.now() + 60_000) })
      .execute()
    for (const of of [door, other]) {
      const answer = await poll(device, of)
      expect([answer.status, codeOf(answer)]).toEqual([429, 'pair.tooMany'])
    }
    await waitInterval()
    expect((await poll(device)).status).toBe(202)
  })

  test('that was not confirmed in time begins again', async () => {
    const device = await begin()
    await door.db
      .updateTable('pairing')
      .set({ expires_at: new Date(0) })
      .execute()
    const ann = await signedIn('ann')
    expect(codeOf(await poll(device))).toBe('pair.expired')
    expect(codeOf(await ann('pair/show', { user_code: device.user_code }))).toBe('pair.unknown')
    expect(codeOf(await ann('pair/confirm', { user_code: device.user_code, allow: true }))).toBe(
      'pair.unknown',
    )
    await purgeSignIns(door.db)
    expect(await door.db.selectFrom('pairing').selectAll().execute()).toEqual([])
  })

  test('with a code that nobody gave learns nothing', async () => {
    const answer = await poll({ device_code: 'x'.repeat(43), user_code: '' })
    expect([answer.status, codeOf(answer)]).toEqual([410, 'pair.expired'])
  })

  test('whose user is blocked meanwhile gets a token that opens nothing', async () => {
    const device = await begin()
    await (
      await signedIn('cid')
    )('pair/confirm', { user_code: device.user_code, allow: true })
    const { token } = (await poll(device)).json as { token: string }
    await database.as('api').updateTable('users').set({ blocked: true }).where('login', '=', 'cid').execute()
    expect((await listWith(token)).status).toBe(401)
  })

  test('is named in plain words, whatever it calls itself', async () => {
    const device = await begin(`my\0 "laptop"\n\u202egood ${'x'.repeat(100)}`)
    const shown = await (await signedIn('ann'))('pair/show', { user_code: device.user_code })
    expect((shown.json as { client: string }).client).toBe(`my "laptop" good ${'x'.repeat(47)}`)
  })

  test('cannot be begun without end from one address', async () => {
    for (let times = 0; times < 20; times++) await begin()
    await door.db
      .updateTable('sign_in_failure')
      .set({ last_at: new Date(Date.now() + 60_000) })
      .execute()
    const answer = await new Visitor().visit(at('pair', other), { json: { client: 'x' } })
    expect([answer.status, codeOf(answer)]).toEqual([429, 'pair.tooMany'])
  })
})

describe('an answer', () => {
  test('counts once: of two users at the same time one has the device', async () => {
    for (let round = 0; round < 5; round++) {
      const device = await begin()
      const [ann, bob] = [await signedIn('ann'), await signedIn('bob')]
      const body = { user_code: device.user_code, allow: true }
      const answers = await Promise.all([ann('pair/confirm', body), bob('pair/confirm', body, other)])
      const statuses = answers.map(({ status }) => status)
      expect(statuses.toSorted()).toEqual([204, 404])
      const winner = users.get(statuses[0] === 204 ? 'ann' : 'bob')
      const row = await door.db
        .selectFrom('pairing')
        .select('user_id')
        .where('state', '=', 'confirmed')
        .executeTakeFirst()
      expect(row?.user_id).toBe(winner)
      await poll(device)
    }
  })

  test('cannot be changed', async () => {
    const device = await begin()
    const ann = await signedIn('ann')
    await ann('pair/confirm', { user_code: device.user_code, allow: false })
    const again = await ann('pair/confirm', { user_code: device.user_code, allow: true })
    expect([again.status, codeOf(again)]).toEqual([404, 'pair.unknown'])
    expect((await poll(device)).status).toBe(403)
  })

  test('needs somebody who is signed in, and a page of ours', async () => {
    const device = await begin()
    const body = { user_code: device.user_code, allow: true }
    const origin = `https://localhost:${door.port}`
    const nobody = await new Visitor().visit(at('pair/confirm'), { json: body, headers: { Origin: origin } })
    expect(nobody.status).toBe(401)
    const userId = users.get('ann') ?? 0
    const parametersId = await saveAuthParameters(door.db, userId, { parameters: {}, groups: [] }, 600)
    const cookie = openCookieJar(join(folder, 'cookie.key'), () => Date.now()).bake({ userId, parametersId })
    for (const headers of [{}, { Origin: 'https://evil.example' }]) {
      const foreign = await new Visitor().visit(at('pair/confirm'), {
        json: body,
        headers: { Cookie: `ostler=${cookie}`, ...headers },
      })
      expect([foreign.status, codeOf(foreign)]).toEqual([400, 'request.invalid'])
    }
    expect((await poll(device)).status).toBe(202)
  })

  test('with a wrong code may be given ten times in an hour by one user', async () => {
    const device = await begin()
    const ann = await signedIn('ann')
    for (let times = 0; times < 10; times++)
      expect(
        codeOf(
          await ann(times % 2 ? 'pair/show' : 'pair/confirm', {
            user_code: 'BCDF-GHJK',
            ...(times % 2 ? {} : { allow: true }),
          }),
        ),
      ).toBe('pair.unknown')
    const eleventh = await ann('pair/confirm', { user_code: device.user_code, allow: true }, other)
    expect([eleventh.status, codeOf(eleventh)]).toEqual([429, 'pair.tooMany'])
    const bob = await signedIn('bob')
    expect((await bob('pair/confirm', { user_code: device.user_code, allow: true })).status).toBe(204)
  })

  test('with the right code costs none of them', async () => {
    const ann = await signedIn('ann')
    for (let times = 0; times < 15; times++) {
      const device = await begin()
      expect((await ann('pair/show', { user_code: device.user_code })).status).toBe(200)
    }
  })
})

test('neither code nor token is kept', async () => {
  const device = await begin()
  await (
    await signedIn('ann')
  )('pair/confirm', { user_code: device.user_code, allow: true })
  const before = JSON.stringify(await door.db.selectFrom('pairing').selectAll().execute())
  const { token } = (await poll(device)).json as { token: string }
  const after = JSON.stringify(await door.db.selectFrom('user_token').selectAll().execute())
  for (const word of [device.device_code, device.user_code, device.user_code.replace('-', ''), token])
    expect(before + after).not.toContain(word)
})

test.each([
  ['a form', { form: { client: 'x' } }],
  ['nothing', { method: 'POST' }],
  ['too much', { json: { client: 'x', more: 1 } }],
  ['no name', { json: { client: '' } }],
] as const)('%s is not what pairing takes', async (_, visit) => {
  const answer = await new Visitor().visit(at('pair'), visit)
  expect([answer.status, codeOf(answer)]).toEqual([400, 'request.invalid'])
})
