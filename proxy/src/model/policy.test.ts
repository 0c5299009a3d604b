import { CLIPBOARD_WAYS, FOLDER_ACCESS } from '@ostler/contract/session-policy.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressRanges } from './address-ranges.ts'
import { type Circumstances, decidePolicy, type PolicyRule, type PolicyWish } from './policy.ts'
import { USER_ROLES } from './user.ts'

const WISHES: readonly PolicyWish[] = [
  { kind: 'list' },
  { kind: 'open', display: 'nx' },
  { kind: 'open', display: 'rfb' },
  { kind: 'stop' },
  { kind: 'look on' },
  { kind: 'share' },
  { kind: 'share usb' },
  { kind: 'create', owned: 0 },
]
const [ANN, BOB] = [7, 8]
const [ACME, OTHER] = [2, 3]
const ME = { id: ANN, login: 'ann', tenantId: ACME, role: 'user', groups: ['staff'] } as const
const MINE = { name: 'ann-office', ownerId: ANN, tenantId: ACME, flavour: 'office', blocked: false }
const OPEN: Circumstances = {
  guest: ME,
  desktop: MINE,
  hers: undefined,
  wish: { kind: 'open', display: 'nx' },
  address: '192.0.2.7',
}

/** What became of it, in a word. */
function answer(circumstances: Circumstances, rules: readonly PolicyRule[] = []): string {
  const decision = decidePolicy(rules, circumstances)
  return decision.allowed ? 'yes' : decision.code
}

describe('without rules, for every role, owner, plugin, block and wish', () => {
  const desktops = {
    'her own': MINE,
    "a colleague's": { ...MINE, ownerId: BOB },
    "another tenant's": { ...MINE, ownerId: BOB, tenantId: OTHER },
    "her own number in another tenant's": { ...MINE, tenantId: OTHER },
  }
  /** Said once more, as a table instead of as a function: who may ever do what. */
  const MAY: Readonly<Record<string, readonly string[]>> = {
    'user own': ['list', 'open', 'stop', 'share', 'share usb'],
    'user foreign': [],
    'power own': ['list', 'open', 'stop', 'share', 'share usb', 'create'],
    'power foreign': [],
    'support own': ['list', 'open', 'stop', 'share', 'share usb', 'look on'],
    'support foreign': ['stop', 'look on'],
  }
  const all = USER_ROLES.flatMap((role) =>
    Object.entries(desktops).flatMap(([whose, desktop]) =>
      [undefined, true, false].flatMap((hers) =>
        [false, true].flatMap((blocked) =>
          WISHES.map((wish) => ({ role, whose, desktop: { ...desktop, blocked }, hers, wish })),
        ),
      ),
    ),
  )

  test.each(all)('$role, $whose, plugin says $hers, blocked $desktop.blocked: $wish', (row) => {
    const { role, desktop, hers, wish } = row
    const own = hers ?? desktop.ownerId === ANN
    const may = MAY[`${role} ${own ? 'own' : 'foreign'}`]?.includes(wish.kind) === true
    const expected =
      desktop.tenantId !== ACME || !may
        ? 'desktop.foreign'
        : desktop.blocked && wish.kind !== 'list' && wish.kind !== 'stop'
          ? 'desktop.blocked'
          : 'yes'
    expect(answer({ ...OPEN, guest: { ...ME, role }, desktop, hers, wish })).toBe(expected)
  })

  test('the owner has everything', () => {
    expect(decidePolicy([], OPEN)).toEqual({
      allowed: true,
      clipboard: 'both',
      folders: { access: 'rw', roots: [] },
      ports: true,
      printing: true,
      audio: true,
      usb: true,
    })
  })
})

describe('a rule is about', () => {
  const NO = { use: false }
  test.each<[string, PolicyRule['about'], Partial<Circumstances>, boolean]>([
    ['everybody', {}, {}, true],
    ['her tenant', { tenantId: ACME }, {}, true],
    ['another tenant', { tenantId: OTHER }, {}, false],
    ['her login', { user: 'ann' }, {}, true],
    ['another login', { user: 'bob' }, {}, false],
    ['a group of hers', { group: 'staff' }, {}, true],
    ['another group', { group: 'guests' }, {}, false],
    ['her role', { role: 'user' }, {}, true],
    ['another role', { role: 'support' }, {}, false],
    ['the flavour', { flavour: 'office' }, {}, true],
    ['another flavour', { flavour: 'lab' }, {}, false],
    ['the desktop', { desktop: 'ann-office' }, {}, true],
    ['another desktop', { desktop: 'ann-lab' }, {}, false],
    ['where she is', { from: addressRanges(['192.0.2.0/24']) }, {}, true],
    ['elsewhere', { from: addressRanges(['10.0.0.0/8', '2001:db8::/32']) }, {}, false],
    ['where she is, by IPv6', { from: addressRanges(['2001:db8::/32']) }, { address: '2001:db8::5' }, true],
    [
      'where she is, by IPv4 in IPv6',
      { from: addressRanges(['192.0.2.0/24']) },
      { address: '::ffff:192.0.2.7' },
      true,
    ],
    ['all of several', { role: 'user', group: 'staff', flavour: 'office' }, {}, true],
    ['only some of several', { role: 'user', group: 'guests', flavour: 'office' }, {}, false],
  ])('%s', (_, about, more, refuses) => {
    const rules = [{ name: 'no', about, says: NO }]
    expect(answer({ ...OPEN, ...more }, rules)).toBe(refuses ? 'policy.refused' : 'yes')
  })
})

test.each([
  ['off', 'policy.refused'],
  ['ro', 'yes'],
  ['rw', 'yes'],
] as const)('a rule that says folders=%s: sharing is %s, and opening is not touched', (access, said) => {
  const rules: PolicyRule[] = [{ name: 'no', about: {}, says: { folders: { access, roots: [] } } }]
  expect(answer({ ...OPEN, wish: { kind: 'share' } }, rules)).toBe(said)
  expect(answer(OPEN, rules)).toBe('yes')
})

describe('of two rules that match', () => {
  const office: PolicyRule = {
    name: 'office',
    about: { from: addressRanges(['192.0.2.0/24']) },
    says: { use: true },
  }
  const nowhere: PolicyRule = { name: 'nowhere', about: {}, says: { use: false } }

  test('the upper one decides', () => {
    expect(answer(OPEN, [office, nowhere])).toBe('yes')
    expect(answer(OPEN, [nowhere, office])).toBe('policy.refused')
    expect(answer({ ...OPEN, address: '203.0.113.1' }, [office, nowhere])).toBe('policy.refused')
  })

  test('each decides what it speaks of', () => {
    const rules: PolicyRule[] = [
      { name: 'a', about: {}, says: { clipboard: 'in', ports: false, printing: false } },
      {
        name: 'b',
        about: {},
        says: { clipboard: 'none', folders: { access: 'ro', roots: ['/media'] }, usb: false },
      },
    ]
    expect(decidePolicy(rules, OPEN)).toEqual({
      allowed: true,
      clipboard: 'in',
      folders: { access: 'ro', roots: ['/media'] },
      ports: false,
      printing: false,
      audio: true,
      usb: false,
    })
  })
})

test('a refusal names the rule, and another way where there is one', () => {
  const rules: PolicyRule[] = [
    { name: 'no-vnc', about: {}, says: { displays: ['nx'] } },
    { name: 'home', about: { from: addressRanges(['10.0.0.0/8']) }, says: { use: false } },
  ]
  const browser = { ...OPEN, wish: { kind: 'open', display: 'rfb' } } as const
  expect(decidePolicy(rules, browser)).toEqual({
    allowed: false,
    code: 'policy.refused',
    detail: { rule: 'no-vnc', what: 'this desktop in a browser', advice: 'Open it in a native client' },
  })
  expect(decidePolicy(rules, { ...browser, address: '10.0.0.1' })).toMatchObject({
    detail: { rule: 'home', advice: 'Try it from another network' },
  })
  expect(decidePolicy([{ name: 'none', about: {}, says: { displays: [] } }], OPEN)).toMatchObject({
    detail: { rule: 'none', advice: 'Pick another desktop' },
  })
})

test('a display that is not allowed does not hide the desktop, nor keep it from being stopped', () => {
  const rules: PolicyRule[] = [{ name: 'none', about: {}, says: { displays: [] } }]
  expect(answer({ ...OPEN, wish: { kind: 'list' } }, rules)).toBe('yes')
  expect(answer({ ...OPEN, wish: { kind: 'stop' } }, rules)).toBe('yes')
})

test('what she may not use is not in her list', () => {
  const rules: PolicyRule[] = [{ name: 'no', about: { flavour: 'office' }, says: { use: false } }]
  expect(answer({ ...OPEN, wish: { kind: 'list' } }, rules)).toBe('policy.refused')
})

test('a power user makes desktops up to her quota', () => {
  const guest = { ...ME, role: 'power' } as const
  const rules: PolicyRule[] = [{ name: 'two', about: { role: 'power' }, says: { quota: 2 } }]
  const create = (owned: number) => answer({ ...OPEN, guest, wish: { kind: 'create', owned } }, rules)
  expect([0, 1, 2, 3].map(create)).toEqual(['yes', 'yes', 'policy.refused', 'policy.refused'])
})

test('no rule gives what ownership and role do not', () => {
  const rules: PolicyRule[] = [
    { name: 'all', about: {}, says: { use: true, displays: ['nx', 'rfb'], quota: 99 } },
  ]
  const foreign = { ...OPEN, desktop: { ...MINE, ownerId: BOB } }
  for (const wish of WISHES) expect(answer({ ...foreign, wish }, rules)).toBe('desktop.foreign')
})

describe('for any rules and circumstances', () => {
  const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
  const given = <T extends object>(record: T): Partial<T> =>
    Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as Partial<T>
  const role = fc.constantFrom(...USER_ROLES)
  const displays = fc.subarray(['nx', 'rfb'] as const)
  const about = fc
    .record({
      tenantId: maybe(fc.constantFrom(ACME, OTHER)),
      user: maybe(fc.constantFrom('ann', 'bob')),
      group: maybe(fc.constantFrom('staff', 'guests')),
      role: maybe(role),
      flavour: maybe(fc.constantFrom('office', 'lab')),
      desktop: maybe(fc.constantFrom('ann-office', 'ann-lab')),
      from: maybe(
        fc.constantFrom(['192.0.2.0/24'], ['10.0.0.0/8', '::/0'], []).map((texts) => addressRanges(texts)),
      ),
    })
    .map(given)
  const says = fc
    .record({
      use: maybe(fc.boolean()),
      displays: maybe(displays),
      clipboard: maybe(fc.constantFrom(...CLIPBOARD_WAYS)),
      folders: maybe(
        fc.record({ access: fc.constantFrom(...FOLDER_ACCESS), roots: fc.constantFrom([], ['/media']) }),
      ),
      ports: maybe(fc.boolean()),
      printing: maybe(fc.boolean()),
      audio: maybe(fc.boolean()),
      usb: maybe(fc.boolean()),
      quota: maybe(fc.integer({ min: 0, max: 4 })),
    })
    .map(given)
  const rule = fc.record({ name: fc.constantFrom('a', 'b', 'c'), about, says }) as fc.Arbitrary<PolicyRule>
  const rules = fc.array(rule, { maxLength: 6 })
  const circumstances: fc.Arbitrary<Circumstances> = fc.record({
    guest: fc.record({
      id: fc.constantFrom(ANN, BOB),
      login: fc.constantFrom('ann', 'bob'),
      tenantId: fc.constantFrom(ACME, OTHER),
      role,
      groups: fc.subarray(['staff', 'guests']),
    }),
    desktop: fc.record({
      name: fc.constantFrom('ann-office', 'ann-lab'),
      ownerId: fc.constantFrom(ANN, BOB),
      tenantId: fc.constantFrom(ACME, OTHER),
      flavour: fc.constantFrom('office', 'lab'),
      blocked: fc.boolean(),
    }),
    hers: maybe(fc.boolean()),
    wish: fc.constantFrom(...WISHES, { kind: 'create' as const, owned: 3 }),
    address: fc.constantFrom('192.0.2.7', '10.0.0.1', '::ffff:192.0.2.9', '2001:db8::1', ''),
  })
  /** The strictest that a rule can say. */
  const NOTHING: PolicyRule['says'] = {
    use: false,
    displays: [],
    clipboard: 'none',
    folders: { access: 'off', roots: [] },
    ports: false,
    printing: false,
    audio: false,
    usb: false,
    quota: 0,
  }

  /** What a decision comes to, as a list of everything it lets through. */
  function passes(decision: ReturnType<typeof decidePolicy>): string[] {
    if (!decision.allowed) return []
    const { clipboard, folders, ports, printing, audio, usb } = decision
    return [
      'come in',
      ...(clipboard === 'both' ? ['in', 'out'] : clipboard === 'none' ? [] : [clipboard]),
      ...FOLDER_ACCESS.slice(1, FOLDER_ACCESS.indexOf(folders.access) + 1),
      ...(ports ? ['ports'] : []),
      ...(printing ? ['printing'] : []),
      ...(audio ? ['audio'] : []),
      ...(usb ? ['usb'] : []),
    ]
  }

  test('a rule that refuses never gives more, wherever it stands', () => {
    const parts = fc.subarray(Object.keys(NOTHING) as (keyof typeof NOTHING)[])
    fc.assert(
      fc.property(rules, circumstances, about, parts, fc.nat(6), (all, where, whom, what, at) => {
        const strict = {
          name: 'strict',
          about: whom as PolicyRule['about'],
          says: Object.fromEntries(what.map((key) => [key, NOTHING[key]])),
        }
        const before = passes(decidePolicy(all, where))
        const after = passes(decidePolicy(all.toSpliced(at, 0, strict), where))
        expect(before).toEqual(expect.arrayContaining(after))
      }),
      { numRuns: 500 },
    )
  })

  test('the order of rules that speak of different things does not matter', () => {
    fc.assert(
      fc.property(rules, circumstances, rule, rule, fc.nat(6), (all, where, a, b, at) => {
        const others = Object.entries(b.says).filter(([key]) => !(key in a.says))
        const other = { ...b, says: Object.fromEntries(others) }
        const decided = (...two: PolicyRule[]) => decidePolicy(all.toSpliced(at, 0, ...two), where)
        expect(decided(a, other)).toEqual(decided(other, a))
      }),
      { numRuns: 500 },
    )
  })

  test('the order of rules about different people does not matter', () => {
    fc.assert(
      fc.property(rules, circumstances, rule, rule, fc.nat(6), (all, where, a, b, at) => {
        const forAnn = { ...a, about: { ...a.about, user: 'ann' } }
        const forBob = { ...b, about: { ...b.about, user: 'bob' } }
        const decided = (...two: PolicyRule[]) => decidePolicy(all.toSpliced(at, 0, ...two), where)
        expect(decided(forAnn, forBob)).toEqual(decided(forBob, forAnn))
      }),
      { numRuns: 500 },
    )
  })

  test('nobody reaches the desktop of another tenant', () => {
    fc.assert(
      fc.property(rules, circumstances, (all, where) => {
        fc.pre(where.guest.tenantId !== where.desktop.tenantId)
        expect(answer(where, all)).toBe('desktop.foreign')
      }),
    )
  })
})
