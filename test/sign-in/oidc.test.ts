import { silentLog } from '@ostler/kit/log.ts'
import { OidcDesk } from '@ostler/proxy/auth/oidc/oidc-desk.ts'
import { nodeConfigSource } from '@ostler/proxy/wiring/node-config.ts'
import { addUser } from '@ostler/proxy/store/admin.ts'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Scope } from '@ostler/kit/scope.ts'
import { selfSigned } from '@ostler/kit/certificate.ts'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type BareDoor, openBareDoor, twoFreePorts } from '../fixtures/bare-door.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { CLIENT_ID, CLIENT_SECRET, openTestProvider, type TestProvider } from '../fixtures/openid-provider.ts'
import { type Answer, Visitor } from '../fixtures/visitor.ts'
import { freePort, until } from '../fixtures/world.ts'

/** Sign-in at an OpenID provider: a real one, the real door and a real database. */

const scope = new Scope()
let database: TestDatabase
let provider: TestProvider
let door: BareDoor
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-oidc-'))
  scope.defer(() => rmSync(folder, { recursive: true }))
  database = scope.own(await openTestDatabase())
  const [port, providerPort] = await twoFreePorts()
  provider = scope.own(await openTestProvider(folder, providerPort, [callback(port)]))
  door = scope.own(await openDoor({}, port))
  for (const login of ['ann', 'bob', 'cid'])
    await addUser(database.as('api'), { tenantId: 1, role: 'user', login, password: '' })
  await database.as('api').updateTable('users').set({ blocked: true }).where('login', '=', 'bob').execute()
  await database
    .as('api')
    .insertInto('tenant')
    .values([{ name: 'north' }, { name: 'shut', blocked: true }])
    .execute()
})
afterAll(() => scope.close())
beforeEach(() => {
  provider.people.clear()
  provider.lie = undefined
  provider.foreignKey = false
  provider.silent = false
  door.clock.now = Date.now()
})

const callback = (port: number): string => `https://localhost:${port}/portal/api/oidc/callback`
const at = (path: string): string => `https://localhost:${door.port}${path}`

async function openDoor(settings: Readonly<Record<string, string>>, port?: number): Promise<BareDoor> {
  const keys = {
    issuer: provider.issuer,
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    label: 'The House',
  }
  const all = Object.entries({ ...keys, ca: provider.caFile, ...settings })
  const named = all.map(([key, value]) => [key.includes('.') ? key : `l7r.auth.oidc.${key}`, value] as const)
  return await openBareDoor(database, folder, port ?? (await freePort()), Object.fromEntries(named))
}

/** Goes from the button to the provider and signs in there; returns the callback that was not visited yet. */
async function atProvider(
  visitor: Visitor,
  login: string,
  start = at('/portal/api/oidc/start'),
): Promise<string> {
  const back = new URL(start).origin
  const begun = await visitor.visit(start)
  const page = await visitor.follow(begun.location ?? 'nowhere', `${back}/portal/`)
  if ('stoppedAt' in page) return page.stoppedAt
  const action = /action="([^"]+)"/.exec(page.text)?.[1] ?? ''
  const form = { prompt: 'login', login, password: 'any' }
  const sent = await visitor.visit(action, { form })
  const end = await visitor.follow(new URL(sent.location ?? '', action), `${back}/portal/`)
  if ('stoppedAt' in end) return end.stoppedAt
  throw new Error(`the provider answered ${end.status}: ${end.text.slice(0, 500)}`)
}

/** All of it; returns the door's answer to the callback. */
async function signInAs(login: string, visitor = new Visitor()): Promise<Answer> {
  if (!provider.people.has(login)) provider.people.set(login, { preferred_username: login })
  return await visitor.visit(await atProvider(visitor, login))
}

/** What a user is told, without the name of her connection. */
function sentenceOf({ text }: Answer): string {
  const told = /<p role="alert">([^<]*)</.exec(text)?.[1] ?? text
  return told.replaceAll('&#39;', "'").replace(/ \(reference \w+\)/, '')
}

describe('a user whom the provider knows', () => {
  test('comes in without a password of ours, and is let to her desktops', async () => {
    const visitor = new Visitor()
    const answer = await signInAs('ann', visitor)
    expect([answer.status, answer.location]).toEqual([302, '/portal/'])
    expect((await visitor.visit(at('/portal/api/desktops'))).json).toEqual({
      ...{ login: 'ann', desktops: [], toMake: [] },
    })
  })

  test('has the groups that the provider names, and they go into her sessions', async () => {
    provider.people.set('ann', { preferred_username: 'ann', groups: ['staff', 'physics'] })
    await signInAs('ann')
    const row = await door.db
      .selectFrom('user_auth_parameters')
      .select(['groups', 'parameters'])
      .orderBy('id', 'desc')
      .executeTakeFirstOrThrow()
    expect(row).toEqual({ groups: ['staff', 'physics'], parameters: { 'qvd.vm.user.name': 'ann' } })
  })

  test('signs out of the portal', async () => {
    const visitor = new Visitor()
    await signInAs('ann', visitor)
    const headers = { Origin: at('') }
    expect((await visitor.visit(at('/portal/api/sign-out'), { method: 'POST', headers })).status).toBe(204)
    expect((await visitor.visit(at('/portal/api/desktops'))).status).toBe(401)
  })

  test('gets cookies that scripts and other sites do not get', async () => {
    const visitor = new Visitor()
    const begun = await visitor.visit(at('/portal/api/oidc/start'))
    expect(begun.setCookies).toHaveLength(1)
    expect(begun.setCookies[0]).toMatch(
      /^ostler-oidc=[\w.-]+; Max-Age=600; Path=\/portal\/api\/oidc; HttpOnly; Secure; SameSite=Lax$/,
    )
    const { setCookies } = await signInAs('ann')
    expect(setCookies[0]).toMatch(/^ostler-oidc=; Max-Age=0; /)
    expect(setCookies[1]).toMatch(/^ostler=[\w.-]+; .*HttpOnly; Secure; SameSite=Strict$/)
  })
})

test('the page is told whether there is a provider, and how it is called', async () => {
  expect((await new Visitor().visit(at('/portal/api/oidc'))).json).toEqual({ on: true, label: 'The House' })
  await using none = await openDoor({ issuer: '' })
  const visitor = new Visitor()
  expect((await visitor.visit(`https://localhost:${none.port}/portal/api/oidc`)).json).toEqual({ on: false })
  const start = await visitor.visit(`https://localhost:${none.port}/portal/api/oidc/start`)
  expect([start.status, sentenceOf(start)]).toEqual([
    503,
    'Nobody could tell whether the password is right: no OpenID provider is configured.',
  ])
})

test('the provider is asked with PKCE, a state and a nonce, each new every time', async () => {
  const questions = await Promise.all(
    [1, 2].map(async () => {
      const { location = '' } = await new Visitor().visit(at('/portal/api/oidc/start'))
      return new URL(location).searchParams
    }),
  )
  for (const question of questions)
    expect(Object.fromEntries(question)).toMatchObject({
      client_id: CLIENT_ID,
      response_type: 'code',
      scope: 'openid profile email groups',
      redirect_uri: callback(door.port),
      code_challenge_method: 'S256',
    })
  for (const name of ['state', 'nonce', 'code_challenge']) {
    const [one, other] = questions.map((question) => question.get(name) ?? '')
    expect(one).toHaveLength(43)
    expect(one).not.toBe(other)
  }
})

describe('an answer is refused', () => {
  test('that has another state', async () => {
    const visitor = new Visitor()
    const url = new URL(await atProvider(visitor, 'ann'))
    url.searchParams.set('state', 'x'.repeat(43))
    const answer = await visitor.visit(url)
    expect([answer.status, sentenceOf(answer)]).toEqual([
      403,
      'The sign-in at The House did not succeed: the answer belongs to another sign-in.',
    ])
    expect(answer.setCookies.join()).not.toContain('ostler=')
  })

  test('that comes without the cookie, as from a link in a mail', async () => {
    const url = await atProvider(new Visitor(), 'ann')
    const answer = await new Visitor().visit(url)
    expect([answer.status, sentenceOf(answer)]).toEqual([
      403,
      'The sign-in at The House did not succeed: it took longer than ten minutes, or began in another browser.',
    ])
  })

  test('that comes after ten minutes', async () => {
    const visitor = new Visitor()
    const url = await atProvider(visitor, 'ann')
    door.clock.now += 600_000
    expect(sentenceOf(await visitor.visit(url))).toContain('it took longer than ten minutes')
  })

  test('that comes a second time, cookie and all, at another door too', async () => {
    const visitor = new Visitor()
    provider.people.set('ann', { preferred_username: 'ann' })
    const begun = await visitor.visit(at('/portal/api/oidc/start'))
    const cookie = begun.setCookies[0]?.split(';')[0] ?? ''
    const page = await visitor.follow(begun.location ?? '', at('/portal/'))
    if ('stoppedAt' in page) throw new Error('nobody was asked')
    const action = /action="([^"]+)"/.exec(page.text)?.[1] ?? ''
    const sent = await visitor.visit(action, { form: { prompt: 'login', login: 'ann', password: 'any' } })
    const end = await visitor.follow(new URL(sent.location ?? '', action), at('/portal/'))
    if (!('stoppedAt' in end)) throw new Error('nobody came back')
    const headers = { Cookie: cookie }
    expect((await new Visitor().visit(end.stoppedAt, { headers })).location).toBe('/portal/')
    await using other = await openDoor({})
    const elsewhere = new URL(end.stoppedAt)
    elsewhere.port = String(other.port)
    for (const url of [new URL(end.stoppedAt), elsewhere]) {
      const again = await new Visitor().visit(url, { headers })
      expect([again.status, sentenceOf(again)]).toEqual([
        403,
        'The sign-in at The House did not succeed: its answer has been used already.',
      ])
    }
  })

  test.each([
    [
      'is for another sign-in (nonce)',
      (claims: Record<string, unknown>) => ({ ...claims, nonce: 'x'.repeat(43) }),
      'its answer does not belong to this sign-in',
    ],
    [
      'is for another service',
      (claims: Record<string, unknown>) => ({ ...claims, aud: 'somebody-else' }),
      'its answer does not belong to this sign-in',
    ],
    [
      'comes from another provider',
      (claims: Record<string, unknown>) => ({ ...claims, iss: 'https://elsewhere.example' }),
      'its answer does not belong to this sign-in',
    ],
    [
      'is too old',
      (claims: Record<string, unknown>) => ({ ...claims, iat: 1_000_000_000, exp: 1_000_000_600 }),
      'its answer is too old, or a clock is wrong',
    ],
  ])('whose ID token %s', async (_, lie, reason) => {
    provider.lie = lie
    const answer = await signInAs('ann')
    expect([answer.status, sentenceOf(answer)]).toEqual([
      403,
      `The sign-in at The House did not succeed: ${reason}.`,
    ])
    expect(answer.setCookies.join()).not.toContain('ostler=')
  })

  test('whose ID token somebody else has signed', async () => {
    provider.foreignKey = true
    const answer = await signInAs('ann')
    expect(answer.status).toBe(403)
    expect(sentenceOf(answer)).toContain('its answer does not belong to this sign-in')
  })

  test('that says that she refused', async () => {
    const visitor = new Visitor()
    const begun = await visitor.visit(at('/portal/api/oidc/start'))
    const url = new URL(callback(door.port))
    url.searchParams.set('state', new URL(begun.location ?? '').searchParams.get('state') ?? '')
    url.searchParams.set('iss', provider.issuer)
    url.searchParams.set('error', 'access_denied')
    url.searchParams.set('error_description', '<script>alert(1)</script>')
    const answer = await visitor.visit(url)
    expect([answer.status, sentenceOf(answer)]).toEqual([
      403,
      'The sign-in at The House did not succeed: you or the provider refused it.',
    ])
    expect(answer.text).not.toContain('<script')
  })

  test('with a code that nobody gave', async () => {
    const visitor = new Visitor()
    const url = new URL(await atProvider(visitor, 'ann'))
    url.searchParams.set('code', 'guessed')
    expect(sentenceOf(await visitor.visit(url))).toContain('it has been used or is too old')
  })
})

describe('somebody stays outside', () => {
  const NO_ACCOUNT = [403, 'The House knows you, but you have no open account here.']

  test.each([
    ['who has no row', 'eve', {}],
    ['who is blocked', 'bob', {}],
  ])('%s', async (_, login) => {
    const answer = await signInAs(login)
    expect([answer.status, sentenceOf(answer)]).toEqual(NO_ACCOUNT)
    expect(answer.setCookies.join()).not.toContain('ostler=')
  })

  test.each([
    ['that there is none of', 'nowhere'],
    ['that is blocked', 'shut'],
    ['in which she has no account', 'north'],
    ['that has no users', '*'],
  ])('whose claim names a tenant %s', async (_, house) => {
    provider.people.set('ann', { preferred_username: 'ann', house })
    await using own = await openDoorThatProviderKnows({ tenant_claim: 'house' })
    const visitor = new Visitor()
    const start = `https://localhost:${own.port}/portal/api/oidc/start`
    const answer = await visitor.visit(await atProvider(visitor, 'ann', start))
    expect([answer.status, sentenceOf(answer)]).toEqual(NO_ACCOUNT)
  })

  test.each([
    ['no login', {}, 'its claim preferred_username is missing'],
    [
      'a login that is none',
      { preferred_username: '../ann' },
      'its claim preferred_username is no usable login',
    ],
    [
      'an address as login',
      { preferred_username: 'ann@evil.example' },
      'its claim preferred_username has an @ (l7r.auth.oidc.login_domain)',
    ],
    [
      'groups that are no list',
      { preferred_username: 'ann', groups: 'staff' },
      'its claim groups is no list of names',
    ],
    [
      'too many groups',
      { preferred_username: 'ann', groups: Array.from({ length: 257 }, (_, number) => `g${number}`) },
      'its claim groups has more than 256 names',
    ],
  ])('of whom the provider says %s', async (_, claims, reason) => {
    provider.people.set('ann', claims)
    const answer = await signInAs('ann')
    expect([answer.status, sentenceOf(answer)]).toEqual([
      403,
      `The sign-in at The House did not succeed: ${reason}.`,
    ])
  })
})

/** A door of its own settings, and a provider that knows it. */
async function openDoorThatProviderKnows(
  settings: Readonly<Record<string, string>>,
): Promise<BareDoor & { provider: TestProvider }> {
  const [port, providerPort] = await twoFreePorts()
  const own = await openTestProvider(folder, providerPort, [callback(port)], provider.people)
  const opened = await openDoor({ ...settings, issuer: own.issuer, ca: own.caFile }, port)
  return {
    ...opened,
    provider: own,
    [Symbol.asyncDispose]: async () => {
      await opened[Symbol.asyncDispose]()
      await own[Symbol.asyncDispose]()
    },
  }
}

test('what runs after a sign-in runs after this one too, and may fail it', async () => {
  const seen = join(folder, 'seen')
  const plugin = `import { appendFileSync } from 'node:fs'
    export default ({ settings }) => ({
      afterSignIn: async ({ login, groups, tenant }) => {
        if (login === 'cid') throw new Error('no room')
        appendFileSync(settings.file, [tenant.name, login, ...groups].join())
      },
    })`
  writeFileSync(join(folder, 'seen.mjs'), plugin, { mode: 0o600 })
  await using own = await openDoorThatProviderKnows({
    'path.l7r.auth.plugins': folder,
    'l7r.auth.plugins': 'seen',
    'l7r.auth.plugin.seen.file': seen,
  })
  const come = async (login: string): Promise<Answer> => {
    provider.people.set(login, { preferred_username: login, groups: ['staff'] })
    const visitor = new Visitor()
    const start = `https://localhost:${own.port}/portal/api/oidc/start`
    return await visitor.visit(await atProvider(visitor, login, start))
  }
  expect((await come('ann')).location).toBe('/portal/')
  expect(readFileSync(seen, 'utf8')).toBe('default,ann,staff')
  const failed = await come('cid')
  expect([failed.status, sentenceOf(failed)]).toEqual([
    503,
    'Nobody could tell whether the password is right: seen failed.',
  ])
})

test('a domain behind the login is cut off, and no other is let in', async () => {
  await using own = await openDoorThatProviderKnows({ login_claim: 'email', login_domain: 'house.example' })
  const start = `https://localhost:${own.port}/portal/api/oidc/start`
  const withMail = async (claims: Record<string, unknown>): Promise<Answer> => {
    provider.people.set('ann', claims)
    const visitor = new Visitor()
    return await visitor.visit(await atProvider(visitor, 'ann', start))
  }
  expect((await withMail({ email: 'Ann@House.example', email_verified: true })).location).toBe('/portal/')
  expect(sentenceOf(await withMail({ email: 'ann@evil.example', email_verified: true }))).toContain(
    'its claim email does not end with @house.example',
  )
  expect(sentenceOf(await withMail({ email: 'ann@house.example', email_verified: false }))).toContain(
    'its claim email is not verified there',
  )
})

describe('where the provider sends users back', () => {
  test.each(['evil.example', 'evil.example:443', 'localhost.evil.example', '[::1]'])(
    'is never a host that the certificate does not name: %s',
    async (host) => {
      const answer = await new Visitor().visit(at('/portal/api/oidc/start'), { headers: { Host: host } })
      expect([answer.status, answer.location, answer.setCookies]).toEqual([503, undefined, []])
      expect(sentenceOf(answer)).toContain('l7r.auth.oidc.redirect_url must be set')
    },
  )

  test('is what is configured, whatever host was asked for', async () => {
    await using own = await openDoor({ redirect_url: callback(door.port) })
    const start = `https://localhost:${own.port}/portal/api/oidc/start`
    const { location = '' } = await new Visitor().visit(start, { headers: { Host: 'evil.example' } })
    expect(new URL(location).searchParams.get('redirect_uri')).toBe(callback(door.port))
  })
})

describe('a provider that does not answer', () => {
  const UNKNOWN = [
    503,
    'Nobody could tell whether the password is right: The House does not answer as it should.',
  ]

  test('because it is down', async () => {
    await using own = await openDoor({ issuer: 'https://localhost:1' })
    const answer = await new Visitor().visit(`https://localhost:${own.port}/portal/api/oidc/start`)
    expect([answer.status, sentenceOf(answer)]).toEqual(UNKNOWN)
  })

  test('because it is silent: within its time, also for many at once', async () => {
    provider.silent = true
    await using own = await openDoor({ 'l7r.auth.timeout': '1' })
    const start = `https://localhost:${own.port}/portal/api/oidc/start`
    const answers = await Promise.all(Array.from({ length: 10 }, () => new Visitor().visit(start)))
    for (const answer of answers) expect([answer.status, sentenceOf(answer)]).toEqual(UNKNOWN)
  })

  test('when a user comes back from it', async () => {
    await using own = await openDoorThatProviderKnows({})
    const visitor = new Visitor()
    const start = `https://localhost:${own.port}/portal/api/oidc/start`
    const url = await atProvider(visitor, 'ann', start)
    await own.provider[Symbol.asyncDispose]()
    const answer = await visitor.visit(url)
    expect([answer.status, sentenceOf(answer)]).toEqual(UNKNOWN)
  })

  test('because it does not accept our secret', async () => {
    await using own = await openDoorThatProviderKnows({ client_secret: 'wrong' })
    const visitor = new Visitor()
    const start = `https://localhost:${own.port}/portal/api/oidc/start`
    const answer = await visitor.visit(await atProvider(visitor, 'ann', start))
    expect([answer.status, sentenceOf(answer)]).toEqual(UNKNOWN)
  })

  test('because its certificate is nobody we know', async () => {
    const { certificate } = await selfSigned(['localhost'], 2)
    const file = join(folder, 'other-ca.pem')
    writeFileSync(file, certificate)
    for (const ca of [file, '']) {
      await using own = await openDoor({ ca })
      const answer = await new Visitor().visit(`https://localhost:${own.port}/portal/api/oidc/start`)
      expect([answer.status, sentenceOf(answer)]).toEqual(UNKNOWN)
    }
  })

  test('but with pages without end', async () => {
    const port = await freePort()
    const { key, certificate: cert } = await selfSigned(['localhost'], 2)
    const file = join(folder, 'endless.pem')
    writeFileSync(file, cert)
    const server = createServer({ key, cert }, (_, response) => {
      const flood = (): void => {
        while (response.write(Buffer.alloc(65_536, ' ')));
      }
      response.on('drain', flood).on('error', () => {})
      flood()
    })
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    await using own = await openDoor({ issuer: `https://localhost:${port}`, ca: file })
    const answer = await new Visitor().visit(`https://localhost:${own.port}/portal/api/oidc/start`)
    expect([answer.status, sentenceOf(answer)]).toEqual(UNKNOWN)
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
})

test('what a provider said of itself is asked again after an hour, and counts while it cannot be asked', async () => {
  const own = await openTestProvider(folder, await freePort(), [callback(door.port)])
  const conf = join(folder, 'desk.conf')
  writeFileSync(conf, '')
  const values = nodeConfigSource(conf).over({
    'l7r.auth.oidc.issuer': own.issuer,
    'l7r.auth.oidc.client_id': CLIENT_ID,
    'l7r.auth.oidc.ca': own.caFile,
    'l7r.auth.oidc.redirect_url': callback(door.port),
  }).values
  let now = Date.now()
  const parts = { certificate: () => '', log: silentLog, now: () => now }
  const desk = new OidcDesk({ ...parts, values: () => Promise.resolve(values) })
  for (let times = 0; times < 3; times++) await desk.begin(undefined)
  expect(own.described).toBe(1)
  now += 3_600_000
  await desk.begin(undefined)
  expect(own.described).toBe(2)
  await own[Symbol.asyncDispose]()
  now += 3_600_000
  expect((await desk.begin(undefined)).url.origin).toBe(own.issuer)
  const fresh = new OidcDesk({ ...parts, values: () => Promise.resolve(values) })
  await expect(fresh.begin(undefined)).rejects.toMatchObject({ code: 'auth.unavailable' })
})

test('changed keys count at once', async () => {
  await using own = await openDoor({})
  const label = async (): Promise<unknown> =>
    (await new Visitor().visit(`https://localhost:${own.port}/portal/api/oidc`)).json
  expect(await label()).toEqual({ on: true, label: 'The House' })
  const row = { tenant_id: -1, key: 'l7r.auth.oidc.label', value: 'The Other House' }
  await database.as('api').insertInto('config').values(row).execute()
  await own.reload()
  expect(await label()).toEqual({ on: true, label: 'The Other House' })
  await database.as('api').deleteFrom('config').execute()
})

test('one that is back is used at once', async () => {
  provider.silent = true
  await using own = await openDoor({ 'l7r.auth.timeout': '1' })
  const start = `https://localhost:${own.port}/portal/api/oidc/start`
  expect((await new Visitor().visit(start)).status).toBe(503)
  provider.silent = false
  await until('the provider to be asked again', async () => (await new Visitor().visit(start)).status === 302)
})

test.each([
  [
    'an issuer without TLS',
    { issuer: 'http://localhost:1' },
    'l7r.auth.oidc.issuer must begin with https://',
  ],
  ['no client', { client_id: '' }, 'l7r.auth.oidc.client_id is missing'],
  [
    'a way back that is not ours',
    { redirect_url: 'https://localhost/elsewhere' },
    'l7r.auth.oidc.redirect_url must end with /portal/api/oidc/callback',
  ],
])('%s is told by its key', async (_, settings, problem) => {
  await using own = await openDoor(settings)
  const answer = await new Visitor().visit(`https://localhost:${own.port}/portal/api/oidc/start`)
  expect([answer.status, sentenceOf(answer)]).toEqual([
    503,
    `Nobody could tell whether the password is right: ${problem}.`,
  ])
})
