import { Fault } from '@ostler/contract/fault.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { createHash } from 'node:crypto'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { AttemptOutcome, AttemptSubject } from '../model/sign-in-attempt.ts'
import type { AttemptBook } from './attempts.ts'
import { PasswordDesk } from './password-desk.ts'
import type { Attempt, AuthPlugin, Guest, SignInOrigin, Tenant, Verdict } from './plugin.ts'
import type { SignInRecords, TenantRecord, TokenRecord, UserRecord } from './records.ts'
import { type Chain, SignInDesk } from './sign-in.ts'

const DEFAULT: TenantRecord = { id: 1, name: 'default', blocked: false }
const ACME: TenantRecord = { id: 2, name: 'acme', blocked: false }
const SHUT: TenantRecord = { id: 3, name: 'shut', blocked: true }
const SUPER: TenantRecord = { id: 0, name: '*', blocked: false }
const passwords = await PasswordDesk.open()

function row(id: number, login: string, tenant: Tenant = DEFAULT, blocked = false): UserRecord {
  return {
    id,
    login,
    tenant: { id: tenant.id, name: tenant.name },
    role: 'user',
    password: '',
    blocked,
    localGroups: [],
  }
}

const USERS = [
  row(7, 'ann'),
  row(8, 'bob', DEFAULT, true),
  row(9, 'ann', ACME),
  row(10, 'Ann'),
  row(11, 'eve'),
]

/** A desk whose plugins, rows and counts are in memory. */
function house(
  plugins: readonly AuthPlugin[],
  options: {
    chains?: Record<number, readonly AuthPlugin[]>
    caseSensitive?: boolean
    timeoutMs?: number
  } = {},
) {
  const users = [...USERS]
  const tokens = new Map<string, TokenRecord>()
  const book = { charged: [] as AttemptSubject[], outcomes: [] as AttemptOutcome[], wait: 0 }
  const attempts: AttemptBook = {
    charge: (subject) => {
      if (book.wait === 0) book.charged.push(subject)
      return Promise.resolve({ seconds: book.wait, isAgain: false })
    },
    settle: (_, __, outcome) => {
      book.outcomes.push(outcome)
      return Promise.resolve()
    },
  }
  const records: SignInRecords = {
    tenantByName: (name) =>
      Promise.resolve([DEFAULT, ACME, SHUT, SUPER].find((tenant) => tenant.name === name.toLowerCase())),
    userByLogin: (tenantId, login) =>
      Promise.resolve(users.find((user) => user.tenant.id === tenantId && user.login === login)),
    userById: (id) => Promise.resolve(users.find((user) => user.id === id)),
    userProperty: () => Promise.resolve(undefined),
    replaceHash: () => Promise.resolve(),
    spend: () => Promise.resolve('fresh'),
    provideFirstDesktop: () => Promise.resolve('there'),
    takeToken: (digest) => Promise.resolve(tokens.get(digest.toString('hex'))),
  }
  const { caseSensitive = false, timeoutMs = 60_000, chains = {} } = options
  const chainOf = (tenantId: number | undefined): Promise<Chain> =>
    Promise.resolve({ plugins: chains[tenantId ?? -1] ?? plugins, caseSensitive, timeoutMs })
  const desk = new SignInDesk({
    records,
    attempts,
    passwords,
    key: Buffer.alloc(32),
    chainOf,
    log: silentLog,
  })
  return { desk, users, tokens, book, records }
}

function origin(options: Partial<SignInOrigin> = {}): SignInOrigin {
  const signal = new AbortController().signal
  return { address: '192.0.2.1', environment: new Map(), certificate: undefined, signal, ...options }
}

function typed(login: string, password = 'right', code?: string) {
  return { login, password: new Secret(password), ...(code === undefined ? {} : { code: new Secret(code) }) }
}

/** A plugin that says what it is told to say, and keeps what it was asked. */
function scripted(name: string, verdict: Verdict | ((attempt: Attempt) => Verdict | Promise<Verdict>)) {
  const asked: { tenant: string; login: string; password: string }[] = []
  const plugin: AuthPlugin = {
    name,
    authenticate: async (attempt) => {
      const { tenant, login, password } = attempt
      asked.push({ tenant: tenant.name, login, password: password.reveal() })
      return typeof verdict === 'function' ? await verdict(attempt) : verdict
    },
  }
  return { plugin, asked }
}

/** Splits at `@`, as the plugin `default` does. */
const tenants: AuthPlugin = {
  name: 'tenants',
  findTenant: (login) => {
    const [first = '', tenant = 'default'] = login.split('@')
    return { login: first, tenant }
  },
}

const yes = () => scripted('yes', { kind: 'accept' })
/** The password of everybody is `right`. */
const strict = () =>
  scripted('strict', ({ password }) =>
    password.reveal() === 'right' ? { kind: 'accept' } : { kind: 'reject', reason: 'wrong password' },
  )

/** A second factor of four digits, by login. */
function fourDigits(codes: Record<string, string>) {
  const taken: string[] = []
  const plugin: AuthPlugin = {
    name: 'factor',
    secondFactor: {
      digits: ({ login }) => Promise.resolve(Object.hasOwn(codes, login) ? 4 : undefined),
      take: ({ login, address }, code) => {
        taken.push(`${login} ${address} ${code.reveal()}`)
        return Promise.resolve(codes[login] === code.reveal())
      },
    },
  }
  return { plugin, taken }
}

/** The code of the fault that a sign-in ends with. */
async function faultOf(attempt: Promise<unknown>): Promise<string> {
  const error = await attempt.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  if (!(error instanceof Fault)) throw new Error('it did not end with a fault', { cause: error })
  return error.code
}

describe('tenant and login', () => {
  test.each([
    ['ann', 'default', 7],
    ['ann@acme', 'acme', 9],
    ['ann@ACME', 'acme', 9],
    ['  ANN@acme ', 'acme', 9],
    [' ANN ', 'default', 7],
    ['ann @acme', 'acme', 9],
  ])('%j signs in as ann of %s (C-24)', async (login, tenant, id) => {
    const { plugin, asked } = yes()
    const guest = await house([tenants, plugin]).desk.byPassword(typed(login), origin())
    expect(guest).toMatchObject({ user: { id }, login: 'ann', tenant: { name: tenant } })
    expect(guest.parameters).toEqual({ 'qvd.vm.user.name': 'ann' })
    expect(asked).toEqual([{ tenant, login: 'ann', password: 'right' }])
  })

  test('the case of logins counts where it is to be kept', async () => {
    const { desk } = house([tenants, yes().plugin], { caseSensitive: true })
    expect(await desk.byPassword(typed(' Ann '), origin())).toMatchObject({ user: { id: 10 } })
    expect(await faultOf(desk.byPassword(typed('ANN'), origin()))).toBe('auth.required')
  })

  test('the tenant is found by the plugins for all tenants, not by its own', async () => {
    const own: AuthPlugin = { name: 'own', findTenant: () => ({ tenant: 'acme', login: 'ann' }) }
    const { desk } = house([tenants], { chains: { 1: [own, yes().plugin], 2: [own, yes().plugin] } })
    expect(await desk.byPassword(typed('ann'), origin())).toMatchObject({ user: { id: 7 } })
  })

  test('the first plugin that finds a tenant decides', async () => {
    const blind: AuthPlugin = { name: 'blind', findTenant: () => undefined }
    const { desk } = house([
      blind,
      tenants,
      { ...tenants, findTenant: () => ({ tenant: '*', login: '' }) },
      yes().plugin,
    ])
    expect(await desk.byPassword(typed('ann@acme'), origin())).toMatchObject({ user: { id: 9 } })
  })

  test.each(['ann@nowhere', 'ann@*', 'ann@shut', '@acme', ' ', 'ann@'])(
    '%j is refused, is counted, and no plugin is asked (C-23)',
    async (login) => {
      const { plugin, asked } = yes()
      const { desk, book } = house([tenants, plugin])
      expect(await faultOf(desk.byPassword(typed(login), origin()))).toBe('auth.required')
      expect(asked).toEqual([])
      expect(book).toMatchObject({ charged: [expect.anything()], outcomes: ['wrong'] })
    },
  )

  test('where nobody finds a tenant nobody gets in', async () => {
    expect(await faultOf(house([yes().plugin]).desk.byPassword(typed('ann'), origin()))).toBe('auth.required')
  })

  test('a plugin that fails to find a tenant could not tell', async () => {
    const broken: AuthPlugin = {
      name: 'broken',
      findTenant: () => {
        throw new Error('no list')
      },
    }
    expect(
      await faultOf(house([broken, tenants, yes().plugin]).desk.byPassword(typed('ann'), origin())),
    ).toBe('auth.unavailable')
  })

  test.each([
    ['an empty password', typed('ann', '')],
    ['a password of more than 1024 characters', typed('ann', 'x'.repeat(1_025))],
    ['a login of more than 256', typed('a'.repeat(257))],
  ])('%s is refused before anybody is asked', async (_, credentials) => {
    const { plugin, asked } = yes()
    const { desk, book } = house([tenants, plugin])
    expect(await faultOf(desk.byPassword(credentials, origin()))).toBe('auth.required')
    expect({ asked, charged: book.charged }).toEqual({ asked: [], charged: [] })
  })
})

describe('plugins', () => {
  test('are asked in order until one accepts (C-95)', async () => {
    const before = scripted('before', { kind: 'abstain' })
    const accepts = scripted('accepts', {
      kind: 'accept',
      groups: ['staff'],
      parameters: { 'badge.number': '7' },
    })
    const after = scripted('after', { kind: 'reject', reason: 'never' })
    const { desk } = house([tenants, before.plugin, accepts.plugin, after.plugin])
    expect(await desk.byPassword(typed('ann'), origin())).toMatchObject({
      groups: ['staff'],
      parameters: { 'qvd.vm.user.name': 'ann', 'badge.number': '7' },
      onlyVm: undefined,
    })
    expect([before, accepts, after].map(({ asked }) => asked.length)).toEqual([1, 1, 0])
  })

  test('of which one rejects: nobody else is asked', async () => {
    const after = yes()
    const { desk, book } = house([
      tenants,
      scripted('no', { kind: 'reject', reason: 'x' }).plugin,
      after.plugin,
    ])
    expect(await faultOf(desk.byPassword(typed('ann'), origin()))).toBe('auth.required')
    expect(after.asked).toEqual([])
    expect(book.outcomes).toEqual(['wrong'])
  })

  test('which all abstain let nobody in', async () => {
    const { desk } = house([tenants, scripted('a', { kind: 'abstain' }).plugin])
    expect(await faultOf(desk.byPassword(typed('ann'), origin()))).toBe('auth.required')
  })

  test('of which one fails could not tell: that is no "no", and is not counted', async () => {
    const after = yes()
    const broken = scripted('broken', () => Promise.reject(new Error('the directory is away')))
    const { desk, book } = house([tenants, broken.plugin, after.plugin])
    expect(await faultOf(desk.byPassword(typed('ann'), origin()))).toBe('auth.unavailable')
    expect(after.asked).toEqual([])
    expect(book.outcomes).toEqual(['unknown'])
  })

  test('which throw at once have failed, too', async () => {
    const broken: AuthPlugin = {
      name: 'broken',
      authenticate: () => {
        throw new Error('x')
      },
    }
    expect(await faultOf(house([tenants, broken]).desk.byPassword(typed('ann'), origin()))).toBe(
      'auth.unavailable',
    )
  })

  test('which do not answer are not waited for', async () => {
    let signal: AbortSignal | undefined
    const slow = scripted('slow', (attempt) => {
      signal = attempt.signal
      return Promise.withResolvers<Verdict>().promise
    })
    const { desk, book } = house([tenants, slow.plugin], { timeoutMs: 30 })
    const attempt = desk.byPassword(typed('ann'), origin())
    await expect(attempt).rejects.toThrow('slow did not answer in time')
    expect(signal?.aborted).toBe(true)
    expect(book.outcomes).toEqual(['unknown'])
  })

  test('end with the door', async () => {
    const stopping = new AbortController()
    const slow = scripted('slow', () => {
      stopping.abort(new Fault('server.stopping'))
      return Promise.withResolvers<Verdict>().promise
    })
    const attempt = house([tenants, slow.plugin]).desk.byPassword(
      typed('ann'),
      origin({ signal: stopping.signal }),
    )
    expect(await faultOf(attempt)).toBe('server.stopping')
  })

  test('see where she comes from and what her client shares (C-22)', async () => {
    const seen: unknown[] = []
    const looks = scripted('looks', ({ address, environment, certificate }) => {
      seen.push({ address, foo: environment.get('foo'), certificate })
      return { kind: 'accept' }
    })
    const certificate = { commonName: 'ann', names: [] }
    await house([tenants, looks.plugin]).desk.byPassword(
      typed('ann'),
      origin({ address: '192.0.2.9', environment: new Map([['foo', 'bar']]), certificate }),
    )
    expect(seen).toEqual([{ address: '192.0.2.9', foo: 'bar', certificate }])
  })
})

describe('her row', () => {
  test('must be there: else the next plugin is tried', async () => {
    const knowsAll = scripted('knows all', { kind: 'accept', login: 'stranger' })
    const last = scripted('last', { kind: 'accept', groups: ['last'] })
    const { desk } = house([tenants, knowsAll.plugin, last.plugin])
    expect(await desk.byPassword(typed('ann'), origin())).toMatchObject({ user: { id: 7 }, groups: ['last'] })
    expect(await faultOf(desk.byPassword(typed('stranger'), origin()))).toBe('auth.required')
  })

  test('must not be blocked, and then nothing is written either', async () => {
    const ran: string[] = []
    const hook: AuthPlugin = {
      name: 'hook',
      afterSignIn: ({ login }) => {
        ran.push(login)
        return Promise.resolve(undefined)
      },
    }
    const { desk } = house([tenants, yes().plugin, hook])
    expect(await faultOf(desk.byPassword(typed('bob'), origin()))).toBe('auth.required')
    expect(ran).toEqual([])
  })

  test('is read after the hooks of all plugins, which may make it', async () => {
    const guests: Guest[] = []
    const accepts = scripted('accepts', { kind: 'accept', groups: ['staff'] })
    const { desk, users } = house([
      {
        name: 'makes',
        afterSignIn: (guest) => {
          guests.push(guest)
          users.push(row(20, guest.login))
          return Promise.resolve(undefined)
        },
      },
      tenants,
      accepts.plugin,
    ])
    expect(await desk.byPassword(typed('new'), origin())).toMatchObject({ user: { id: 20 } })
    expect(guests).toMatchObject([{ login: 'new', tenant: { name: 'default' }, groups: ['staff'] }])
  })

  test('hooks may add parameters; later ones win over earlier ones and over what accepted her (C-99)', async () => {
    const adds = (name: string, parameters?: Record<string, string>): AuthPlugin => ({
      name,
      afterSignIn: () => Promise.resolve(parameters),
    })
    const accepts = scripted('accepts', { kind: 'accept', parameters: { a: '1', b: '1', c: '1' } })
    const { desk } = house([
      tenants,
      adds('x', { b: '2', c: '2' }),
      accepts.plugin,
      adds('y', { c: '3' }),
      adds('z'),
    ])
    const { parameters } = await desk.byPassword(typed('ann'), origin())
    expect(parameters).toEqual({ 'qvd.vm.user.name': 'ann', a: '1', b: '2', c: '3' })
  })

  test('a hook that fails could not tell', async () => {
    const hook: AuthPlugin = { name: 'hook', afterSignIn: () => Promise.reject(new Error('x')) }
    const { desk, book } = house([tenants, yes().plugin, hook])
    expect(await faultOf(desk.byPassword(typed('ann'), origin()))).toBe('auth.unavailable')
    expect(book.outcomes).toEqual(['unknown'])
  })

  test('records that cannot be read are no "no"', async () => {
    const { desk, records, book } = house([tenants, yes().plugin])
    records.userByLogin = () => Promise.reject(new Error('connection lost'))
    expect(await faultOf(desk.byPassword(typed('ann'), origin()))).toBe('auth.unavailable')
    expect(book.outcomes).toEqual(['unknown'])
    records.takeToken = () => Promise.reject(new Error('connection lost'))
    expect(await faultOf(desk.byToken(new Secret('x'), origin()))).toBe('auth.unavailable')
  })
})

describe('a second factor', () => {
  const world = (codes: Record<string, string>, plugin = strict()) => {
    const factor = fourDigits(codes)
    return { ...house([tenants, factor.plugin, plugin.plugin]), taken: factor.taken, asked: plugin.asked }
  }

  test('is cut off the password of who has one', async () => {
    const { desk, taken, asked } = world({ ann: '4711' })
    expect(await desk.byPassword(typed('ann', 'right4711'), origin())).toMatchObject({ user: { id: 7 } })
    expect(taken).toEqual(['ann 192.0.2.1 4711'])
    expect(asked[0]?.password).toBe('right')
  })

  test('or has a field of its own, beside the whole password', async () => {
    const { desk, taken } = world({ ann: '4711' })
    expect(await desk.byPassword(typed('ann', 'right', '4711'), origin())).toMatchObject({ user: { id: 7 } })
    expect(taken).toHaveLength(1)
  })

  test('an empty field is none', async () => {
    const { desk } = world({ ann: '4711' })
    expect(await desk.byPassword(typed('ann', 'right4711', ''), origin())).toMatchObject({ user: { id: 7 } })
  })

  test('nothing is cut off for who has none (trap T46), nor is a code asked for', async () => {
    const { desk, taken } = world({ ann: '4711' })
    expect(await desk.byPassword(typed('eve', 'right'), origin())).toMatchObject({ user: { id: 11 } })
    expect(await desk.byPassword(typed('eve', 'right', '1234'), origin())).toMatchObject({ user: { id: 11 } })
    expect(taken).toEqual([])
  })

  test.each([
    ['no code', typed('ann', 'right')],
    ['a wrong one', typed('ann', 'right0000')],
    ['a wrong one in its field', typed('ann', 'right', '0000')],
    ['the code alone', typed('ann', '4711')],
    ['less than the code', typed('ann', '11')],
    ['the code in its field and in the password', typed('ann', 'right4711', '4711')],
  ])('with %s she is refused, and it counts', async (_, credentials) => {
    const { desk, book } = world({ ann: '4711' })
    expect(await faultOf(desk.byPassword(credentials, origin()))).toBe('auth.required')
    expect(book).toMatchObject({ charged: [expect.anything()], outcomes: ['wrong'] })
  })

  test('with a wrong password the code is not taken', async () => {
    const { desk, taken } = world({ ann: '4711' })
    expect(await faultOf(desk.byPassword(typed('ann', 'wrong4711'), origin()))).toBe('auth.required')
    expect(taken).toEqual([])
  })

  test('is checked before anything is written', async () => {
    const ran: string[] = []
    const afterSignIn = () => Promise.resolve(void ran.push('ran'))
    const { desk } = house([
      tenants,
      fourDigits({ ann: '4711' }).plugin,
      strict().plugin,
      { name: 'hook', afterSignIn },
    ])
    expect(await faultOf(desk.byPassword(typed('ann', 'right0000'), origin()))).toBe('auth.required')
    expect(ran).toEqual([])
  })

  describe('of somebody who is known under another name', () => {
    const renames = () =>
      scripted('renames', ({ login, password }) => {
        if (password.reveal() !== 'right') return { kind: 'reject', reason: 'wrong password' }
        return { kind: 'accept', login: login === 'nick' ? ' ANN' : login }
      })

    test('the name is normalised, too', async () => {
      expect(await world({}, renames()).desk.byPassword(typed('nick'), origin())).toMatchObject({
        user: { id: 7 },
      })
    })

    test('is asked for under that name', async () => {
      const { desk, taken } = world({ ann: '4711' }, renames())
      expect(await faultOf(desk.byPassword(typed('nick', 'right'), origin()))).toBe('auth.required')
      expect(await faultOf(desk.byPassword(typed('nick', 'right', '0000'), origin()))).toBe('auth.required')
      expect(await desk.byPassword(typed('nick', 'right', '4711'), origin())).toMatchObject({
        user: { id: 7 },
      })
      expect(taken).toEqual(['ann 192.0.2.1 0000', 'ann 192.0.2.1 4711'])
    })

    test('may end the password when either name has one', async () => {
      const { desk } = world({ nick: '1111', ann: '4711' }, renames())
      expect(await desk.byPassword(typed('nick', 'right4711'), origin())).toMatchObject({ user: { id: 7 } })
      expect(await faultOf(desk.byPassword(typed('nick', 'right1111'), origin()))).toBe('auth.required')
    })

    test('what was cut off for the name that she typed is checked', async () => {
      const { desk } = world({ nick: '1111' }, renames())
      expect(await faultOf(desk.byPassword(typed('nick', 'right0000'), origin()))).toBe('auth.required')
      expect(await desk.byPassword(typed('nick', 'right1111'), origin())).toMatchObject({ user: { id: 7 } })
    })
  })

  test.each([
    ['how long it is', 'digits'],
    ['whether it is right', 'take'],
  ] as const)('nobody can tell %s: that is no "no"', async (_, broken) => {
    const good = { digits: () => Promise.resolve(4), take: () => Promise.resolve(true) }
    const plugin: AuthPlugin = {
      name: 'factor',
      secondFactor: { ...good, [broken]: () => Promise.reject(new Error('x')) },
    }
    const { desk, book } = house([tenants, plugin, strict().plugin])
    expect(await faultOf(desk.byPassword(typed('ann', 'right4711'), origin()))).toBe('auth.unavailable')
    expect(book.outcomes).toEqual(['unknown'])
  })

  test('that does not answer ends with its time', async () => {
    const never = () => Promise.withResolvers<never>().promise
    const plugin: AuthPlugin = { name: 'factor', secondFactor: { digits: never, take: never } }
    const { desk } = house([tenants, plugin, strict().plugin], { timeoutMs: 30 })
    await expect(desk.byPassword(typed('ann', 'right4711'), origin())).rejects.toThrow(
      'factor did not answer',
    )
  })
})

describe('the count of attempts', () => {
  test('is by tenant, login as it is known here, and address', async () => {
    const { desk, book } = house([tenants, strict().plugin])
    await faultOf(desk.byPassword(typed(' ANN@acme ', 'wrong'), origin({ address: '192.0.2.7' })))
    await faultOf(desk.byPassword(typed('x@nowhere', 'wrong'), origin()))
    expect(book.charged).toMatchObject([
      { tenantId: 2, login: 'ann', address: '192.0.2.7' },
      { tenantId: 0, login: 'x', address: '192.0.2.1' },
    ])
  })

  test('is taken back after a success', async () => {
    const { desk, book } = house([tenants, strict().plugin])
    await desk.byPassword(typed('ann'), origin())
    expect(book.outcomes).toEqual(['in'])
  })

  test('makes her wait, and then nobody is asked, not even with the right password', async () => {
    const { plugin, asked } = yes()
    const { desk, book } = house([tenants, plugin])
    book.wait = 9
    await expect(desk.byPassword(typed('ann'), origin())).rejects.toMatchObject({ code: 'auth.tooMany' })
    expect(asked).toEqual([])
    // It is no judgement: as soon as she may, she is in.
    book.wait = 0
    expect(await desk.byPassword(typed('ann'), origin())).toMatchObject({ user: { id: 7 } })
  })
})

describe('equal credentials', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  test('at once are judged once, right or wrong', async () => {
    const { plugin, asked } = strict()
    const { desk, book } = house([tenants, plugin])
    const twice = await Promise.all([1, 2].map(() => desk.byPassword(typed('ann'), origin())))
    expect(twice.map(({ user }) => user.id)).toEqual([7, 7])
    const wrong = await Promise.all(
      [1, 2, 3, 4, 5].map(() => faultOf(desk.byPassword(typed('ann', 'x'), origin()))),
    )
    expect(new Set(wrong)).toEqual(new Set(['auth.required']))
    expect(asked).toHaveLength(2)
    expect(book).toMatchObject({ charged: { length: 2 }, outcomes: ['in', 'wrong'] })
  })

  test('that were wrong are wrong for ten seconds', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const { plugin, asked } = strict()
    const { desk } = house([tenants, plugin])
    for (const later of [0, 9_900, 200]) {
      vi.setSystemTime(Date.now() + later)
      expect(await faultOf(desk.byPassword(typed('ann', 'x'), origin()))).toBe('auth.required')
    }
    expect(asked).toHaveLength(2)
  })

  test('that were right are judged each time: she may be blocked meanwhile', async () => {
    const { plugin, asked } = strict()
    const { desk, users } = house([tenants, plugin])
    await desk.byPassword(typed('ann'), origin())
    users.splice(0, users.length, row(7, 'ann', DEFAULT, true))
    expect(await faultOf(desk.byPassword(typed('ann'), origin()))).toBe('auth.required')
    expect(asked).toHaveLength(2)
  })

  test('are not equal with anything that a plugin sees', async () => {
    const { plugin, asked } = strict()
    const { desk } = house([tenants, plugin])
    for (const [credentials, from] of [
      [typed('ann', 'x'), {}],
      [typed('ann', 'y'), {}],
      [typed('eve', 'x'), {}],
      [typed('ann', 'x', '1'), {}],
      [typed('ann', 'x'), { address: '192.0.2.2' }],
      [typed('ann', 'x'), { environment: new Map([['foo', 'bar']]) }],
      [typed('ann', 'x'), { certificate: { commonName: 'ann', names: [] } }],
    ] as const)
      await faultOf(desk.byPassword(credentials, origin(from)))
    expect(asked).toHaveLength(7)
  })

  test('that nobody could judge are judged again', async () => {
    let away = true
    const sometimes = scripted('sometimes', () => {
      if (away) throw new Error('away')
      return { kind: 'accept' }
    })
    const { desk } = house([tenants, sometimes.plugin])
    expect(await faultOf(desk.byPassword(typed('ann'), origin()))).toBe('auth.unavailable')
    away = false
    expect(await desk.byPassword(typed('ann'), origin())).toMatchObject({ user: { id: 7 } })
  })
})

describe('a token', () => {
  const digestOf = (text: string) => createHash('sha256').update(text).digest('hex')

  test('lets its user in with what was kept', async () => {
    const { desk, tokens, book } = house([tenants])
    const said = { parameters: { 'badge.number': '7' }, groups: ['staff'] }
    tokens.set(digestOf('open'), { user: row(7, 'ann'), vmId: 3, ...said })
    expect(await desk.byToken(new Secret('open'), origin())).toMatchObject({
      user: { id: 7 },
      onlyVm: 3,
      groups: ['staff'],
      parameters: { 'qvd.vm.user.name': 'ann', 'badge.number': '7' },
    })
    expect(book.charged).toEqual([])
  })

  test('that nobody knows, or of somebody blocked, lets nobody in', async () => {
    const { desk, tokens } = house([tenants])
    tokens.set(digestOf('bob'), {
      user: row(8, 'bob', DEFAULT, true),
      vmId: undefined,
      parameters: {},
      groups: [],
    })
    for (const text of ['guess', 'bob'])
      expect(await faultOf(desk.byToken(new Secret(text), origin()))).toBe('auth.required')
  })
})

describe('a certificate', () => {
  const HERS = origin({ certificate: { commonName: 'Ann', names: [] } })
  const reads = (verdict: Verdict): AuthPlugin => ({
    name: 'reads',
    authenticateCertificate: () => Promise.resolve(verdict),
  })

  test('signs its holder in, in the tenant of logins without one', async () => {
    const { desk, book } = house([tenants, reads({ kind: 'accept', login: 'Ann', groups: ['x'] })])
    expect(await desk.byCertificate(HERS)).toMatchObject({
      user: { id: 7 },
      groups: ['x'],
      tenant: { id: 1 },
    })
    expect(book.charged).toEqual([])
  })

  test.each([
    [
      'is rejected',
      [tenants, reads({ kind: 'reject', reason: 'x' }), reads({ kind: 'accept', login: 'ann' })],
    ],
    ['is nobody', [tenants, reads({ kind: 'abstain' })]],
    ['is accepted without a name', [tenants, reads({ kind: 'accept' })]],
    ['is of a stranger', [tenants, reads({ kind: 'accept', login: 'stranger' })]],
    ['is of somebody blocked', [tenants, reads({ kind: 'accept', login: 'bob' })]],
    ['is read by no plugin', [tenants, yes().plugin]],
    ['has no tenant', [reads({ kind: 'accept', login: 'ann' })]],
  ])('that %s signs nobody in', async (_, plugins) => {
    expect(await faultOf(house(plugins).desk.byCertificate(HERS))).toBe('auth.required')
  })

  test('is needed', async () => {
    const { desk } = house([tenants, reads({ kind: 'accept', login: 'ann' })])
    expect(await faultOf(desk.byCertificate(origin()))).toBe('auth.required')
  })

  test('that nobody can read now is no "no"', async () => {
    const broken: AuthPlugin = { name: 'x', authenticateCertificate: () => Promise.reject(new Error('x')) }
    expect(await faultOf(house([tenants, broken]).desk.byCertificate(HERS))).toBe('auth.unavailable')
  })
})

test('whoever comes again, as by a cookie, is looked at again', async () => {
  const { desk, users } = house([tenants])
  const said = { parameters: { 'qvd.vm.user.uid': '4711' }, groups: ['staff'] }
  expect(await desk.byUserId(7, said)).toMatchObject({
    user: { id: 7 },
    groups: ['staff'],
    parameters: said.parameters,
  })
  expect(await desk.stillIn(7)).toBe(true)
  users.splice(0, 1, row(7, 'ann', DEFAULT, true))
  expect(await desk.stillIn(7)).toBe(false)
  expect(await desk.stillIn(99)).toBe(false)
  for (const id of [7, 99]) expect(await faultOf(desk.byUserId(id, said))).toBe('auth.required')
})
