import { readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { comesToHold } from '@ostler/kit/poll.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ADMIN, Directory } from '../fixtures/directory.ts'
import {
  entry,
  ldap,
  ldapThenDefault,
  PEOPLE_BASE,
  person,
  recordedLog,
  type Settings,
  unit,
} from '../fixtures/ldap-people.ts'

const ROOT = 'dc=example,dc=org'
const ODD = [
  'comma, inc',
  '#hash',
  'plus+sign',
  'star*',
  'paren(s)',
  'back\\slash',
  'a=b',
  '"q"',
  'ünïcødé',
  '王',
]
/** What slapd is told to answer to a bind of these (overlay retcode), with the words of other directories. */
const REFUSED: Readonly<Record<string, readonly [code: number, text: string]>> = {
  'ad-wrong': [49, '80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 52e, v4563'],
  'ad-expired': [
    49,
    '80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 532, v4563',
  ],
  'ad-disabled': [
    49,
    '80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 533, v4563',
  ],
  'ad-old': [49, '80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 701, v4563'],
  'ad-change': [
    49,
    '80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 773, v4563',
  ],
  'ad-locked': [
    49,
    '80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 775, v4563',
  ],
  unwilling: [53, 'Account inactivated. Contact system administrator.'],
  limit: [19, 'Exceed password retry limit. Please try later.'],
  forbidden: [50, ''],
  racf: [49, 'R004109 The password has expired (srv_authenticate_native_password)'],
  racf2: [49, 'R004111 The password is not correct'],
}
const COULD_NOT_TELL: Readonly<Record<string, readonly [code: number, text: string]>> = {
  busy: [51, ''],
  unavailable: [52, ''],
  broken: [80, 'internal error'],
  operations: [1, ''],
  encryption: [13, 'TLS required'],
}
/** Active Directory's attributes with the rules by which it compares them; Debian's msuser.schema has none. */
const AD_SCHEMA = [
  "( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )",
  "( 1.2.840.113556.1.4.656 NAME 'userPrincipalName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )",
  "( 1.2.840.113556.1.4.8 NAME 'userAccountControl' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 )",
  "( 1.2.840.113556.1.4.98 NAME 'primaryGroupID' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 )",
  "( 1.2.840.113556.1.4.146 NAME 'objectSid' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )",
  "( 1.2.840.113556.1.2.102 NAME 'memberOf' EQUALITY distinguishedNameMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 )",
]
  .map((attribute) => `attributetype ${attribute}`)
  .join('\n')
/** S-1-5-21-1-2-3-1000 as bytes. */
const SID = Buffer.from('010500000000000515000000010000000200000003000000e8030000', 'hex')

let directory: Directory
/** Nobody may ever follow a referral to here. */
const elsewhere = createServer((socket) => socket.destroy())
let visitors = 0

beforeAll(async () => {
  elsewhere.on('connection', () => (visitors += 1))
  elsewhere.listen(0, '127.0.0.1')
  await new Promise((resolve) => elsewhere.once('listening', resolve))
  const { port } = elsewhere.address() as { port: number }
  const crowd = Array.from({ length: 3_000 }, (_, index) => `u${String(index + 1).padStart(4, '0')}`)
  const codes = Object.entries({ ...REFUSED, ...COULD_NOT_TELL })
  const groups = Array.from({ length: 450 }, (_, index) => `g${index}`)
  const ldif = [
    unit('people'),
    ...crowd.map((uid) => person(uid, { description: 'x'.repeat(200) })),
    person('ann', {
      objectClass: ['posixAccount'],
      uidNumber: '5001',
      gidNumber: '6001',
      homeDirectory: '/home/ann',
      mail: 'ann@example.org',
    }),
    person('root', {
      objectClass: ['posixAccount'],
      uidNumber: '0',
      gidNumber: '4294967296',
      homeDirectory: '/home/a\nb',
    }),
    person('Upper', {}),
    ...ODD.map((uid) => person(uid, {}, `uid=${odd(uid)},${PEOPLE_BASE}`)),
    person('nopass', { userPassword: [] }),
    ...codes.map(([uid, [code, text]]) =>
      person(uid, {
        objectClass: ['errAuxObject'],
        errCode: String(code),
        errOp: 'bind',
        ...(text === '' ? {} : { errText: text }),
      }),
    ),
    unit('a'),
    unit('b'),
    person('twin', {}, `uid=twin,ou=a,${ROOT}`),
    person('twin', { userPassword: 'pw-other' }, `uid=twin,ou=b,${ROOT}`),
    unit('refer'),
    person('gwen', {}, `uid=gwen,ou=refer,${ROOT}`),
    entry(`ou=far,ou=refer,${ROOT}`, {
      objectClass: ['referral', 'extensibleObject'],
      ou: 'far',
      ref: `ldap://127.0.0.1:${port}/ou=far,${ROOT}`,
    }),
    unit('alias'),
    entry(`cn=to-ann,ou=alias,${ROOT}`, {
      objectClass: ['alias', 'extensibleObject'],
      cn: 'to-ann',
      aliasedObjectName: `uid=ann,${PEOPLE_BASE}`,
    }),
    entry(`ou=short,${ROOT}`, {
      objectClass: ['alias', 'extensibleObject'],
      ou: 'short',
      aliasedObjectName: `ou=refer,${ROOT}`,
    }),
    unit('groups'),
    entry(`cn=unix,ou=groups,${ROOT}`, {
      objectClass: ['posixGroup'],
      cn: 'unix',
      gidNumber: '700',
      memberUid: ['ann', 'bob'],
    }),
    entry(`cn=with\\2c comma,ou=groups,${ROOT}`, {
      objectClass: ['groupOfNames'],
      cn: 'with, comma',
      member: `uid=ann,${PEOPLE_BASE}`,
    }),
    entry(`cn=unique,ou=groups,${ROOT}`, {
      objectClass: ['groupOfUniqueNames'],
      cn: 'unique',
      uniqueMember: `uid=ann,${PEOPLE_BASE}`,
    }),
    ...groups.map((cn) =>
      entry(`cn=${cn},ou=groups,${ROOT}`, {
        objectClass: ['groupOfNames'],
        cn,
        member: `uid=u0001,${PEOPLE_BASE}`,
      }),
    ),
    person('adele', {
      objectClass: ['extensibleObject'],
      sAMAccountName: 'Adele',
      userPrincipalName: 'adele@example.org',
      userAccountControl: '512',
      objectSid: SID,
      primaryGroupID: '513',
      memberOf: [`CN=Domain Admins,CN=Users,${ROOT}`, `CN=Sales \\+ Co,${ROOT}`],
    }),
    person('dora', { objectClass: ['extensibleObject'], userAccountControl: '514' }),
    entry(`cn=Domain Users,ou=groups,${ROOT}`, {
      objectClass: ['groupOfNames', 'extensibleObject'],
      cn: 'Domain Users',
      member: ADMIN.name,
      objectSid: 'S-1-5-21-1-2-3-513',
    }),
  ].join('')
  directory = await Directory.start({
    ldif,
    global: `moduleload retcode\nallow bind_anon_cred bind_anon_dn\nsizelimit unlimited\n${AD_SCHEMA}`,
    database: `overlay retcode\nretcode-parent "ou=codes,${ROOT}"\nretcode-indir`,
  })
}, 120_000)

afterAll(async () => {
  elsewhere.close()
  await directory[Symbol.asyncDispose]()
})

/** Every byte of a name that could be syntax, escaped in the other way. */
function odd(uid: string): string {
  return uid.replace(/[^\w ]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join(''),
  )
}

/** Search and bind below `ou=people`, unless something else is said. */
function search(more: Settings = {}): Settings {
  return { 'auth.ldap.host': directory.uri, 'auth.ldap.base': PEOPLE_BASE, 'auth.ldap.scope': 'sub', ...more }
}

const REJECT = { kind: 'reject' }
const ABSTAIN = { kind: 'abstain' }
const AMBIGUOUS = 'ambiguous: several entries match auth.ldap.filter'
const UNAVAILABLE = { code: 'auth.unavailable' }

test('a user of three thousand is searched and binds; a wrong password is hers, an unknown name is nobody', async () => {
  const ask = ldap(search())
  expect(await ask('u2345', 'pw-u2345')).toMatchObject({ kind: 'accept' })
  expect(await ask('u2345', 'pw-u2346')).toMatchObject({ ...REJECT, reason: 'wrong password' })
  expect(await ask('u3001', 'pw-u3001')).toMatchObject(ABSTAIN)
  expect(await ask('nopass', 'anything')).toMatchObject(REJECT)
})

test('C-26: an empty password is refused, also where the directory takes it for nobody in particular', async () => {
  // slapd's own client shows that this directory says yes to it.
  expect(await directory.whoAmI(`uid=ann,${PEOPLE_BASE}`, '')).toBe('anonymous')
  const pattern = { 'auth.ldap.userbindpattern': `uid=%u,${PEOPLE_BASE}` }
  const own = { 'auth.ldap.binddn': `uid=%u,${PEOPLE_BASE}` }
  for (const settings of [
    search(),
    search(pattern),
    search(own),
    { ...search(pattern), 'auth.ldap.base': '' },
  ])
    for (const password of ['', '\0', '\0secret', 'pw-ann\0'])
      expect(await ldap(settings)('ann', password)).toMatchObject(REJECT)
})

test('C-96: two matching entries are refused, the found DN is bound, uidNumber becomes qvd.vm.user.uid', async () => {
  const { log, lines } = recordedLog()
  const twins = ldap(search({ 'auth.ldap.base': ROOT }), log)
  for (const password of ['pw-twin', 'pw-other']) expect(await twins('twin', password)).toMatchObject(REJECT)
  expect(lines.join('\n')).toContain('ambiguous')
  // By mail there is no way to make up her DN.
  const byMail = ldap(search({ 'auth.ldap.filter': '(mail=%u)' }))
  expect(await byMail('ann@example.org', 'pw-ann')).toEqual({
    kind: 'accept',
    groups: [],
    parameters: {
      'qvd.vm.user.uid': '5001',
      'qvd.vm.user.gid': '6001',
      'qvd.vm.user.ldap.name': 'ann',
      'qvd.vm.user.ldap.home': '/home/ann',
    },
  })
})

test('two entries are two also where the directory hands out one at a time', async () => {
  const narrow = await Directory.start({
    ldif: [
      unit('a'),
      unit('b'),
      person('twin', {}, `uid=twin,ou=a,${ROOT}`),
      person('twin', {}, `uid=twin,ou=b,${ROOT}`),
    ].join(''),
    global: 'sizelimit 1',
  })
  await using _ = narrow
  const ask = ldap(search({ 'auth.ldap.host': narrow.uri, 'auth.ldap.base': ROOT }))
  expect(await ask('twin', 'pw-twin')).toMatchObject({
    ...REJECT,
    reason: AMBIGUOUS,
  })
})

test('a filter that finds all three thousand holds two of them', async () => {
  const ask = ldap(search({ 'auth.ldap.filter': '(|(uid=%u)(objectClass=inetOrgPerson))' }))
  expect(await ask('ann', 'pw-ann')).toMatchObject({
    ...REJECT,
    reason: AMBIGUOUS,
  })
})

test('home and login come from the entry where that is set, under both names of the key', async () => {
  const home = ldap(search({ 'auth.ldap.home.set': '1' }))
  expect(await home('ann', 'pw-ann')).toMatchObject({ parameters: { 'qvd.vm.user.home': '/home/ann' } })
  for (const key of ['auth.ldap.name.normalize', 'auth.ldap.normalize.name']) {
    const normalized = ldap(search({ 'auth.ldap.filter': '(mail=%u)', [key]: '1' }))
    expect(await normalized('ann@example.org', 'pw-ann')).toMatchObject({ login: 'ann' })
    expect(await ldap(search({ [key]: '1' }))('upper', 'pw-Upper')).toMatchObject({ login: 'upper' })
    const exact = ldap(search({ [key]: '1', 'model.user.login.case-sensitive': '1' }))
    expect(await exact('upper', 'pw-Upper')).toMatchObject({ login: 'Upper' })
  }
  expect(await ldap(search())('ann', 'pw-ann')).not.toHaveProperty('login')
})

test('numbers and homes that cannot be used are left out, and said in the log', async () => {
  const { log, lines } = recordedLog()
  expect(await ldap(search(), log)('root', 'pw-root')).toEqual({
    kind: 'accept',
    groups: [],
    parameters: { 'qvd.vm.user.ldap.name': 'root' },
  })
  expect(lines.join('\n')).toContain('uidNumber gidNumber homeDirectory')
})

test('a pattern binds without a search and without attributes; who is not let in may be somebody elsewhere', async () => {
  const ask = ldap({
    'auth.ldap.host': directory.uri,
    'auth.ldap.userbindpattern': `uid=%u,${PEOPLE_BASE}`,
  })
  expect(await ask('ann', 'pw-ann')).toEqual({ kind: 'accept' })
  for (const login of ['ann', 'nobody']) expect(await ask(login, 'wrong')).toMatchObject(ABSTAIN)
  expect(await ask('ad-locked', 'x')).toMatchObject({ ...REJECT, reason: 'the account is locked' })
  await expect(ask('busy', 'pw-busy')).rejects.toMatchObject(UNAVAILABLE)
})

test('where the pattern fails and there is a base, the search goes on', async () => {
  const ask = ldap(search({ 'auth.ldap.userbindpattern': `uid=%u,ou=nowhere,${ROOT}` }))
  expect(await ask('ann', 'pw-ann')).toMatchObject({
    kind: 'accept',
    parameters: { 'qvd.vm.user.uid': '5001' },
  })
  expect(await ask('ann', 'wrong')).toMatchObject(REJECT)
})

test('a pattern of the login alone never becomes a mechanism of SASL', async () => {
  const ask = ldap({
    'auth.ldap.host': directory.uri,
    'auth.ldap.userbindpattern': '%u',
    'model.user.login.case-sensitive': '1',
  })
  for (const login of ['EXTERNAL', 'PLAIN', 'DIGEST-MD5'])
    await expect(ask(login, 'x')).rejects.toMatchObject(UNAVAILABLE)
  // Nor does a login become a whole name.
  await expect(ask(`uid=ann,${PEOPLE_BASE}`, 'pw-ann')).rejects.toMatchObject(UNAVAILABLE)
})

test('the account that searches binds first: with its password, or as the user with hers', async () => {
  const account = { 'auth.ldap.binddn': ADMIN.name, 'auth.ldap.bindpass': ADMIN.password }
  expect(await ldap(search(account))('ann', 'pw-ann')).toMatchObject({ kind: 'accept' })
  expect(await ldap(search(account))('ann', 'wrong')).toMatchObject(REJECT)
  const own = ldap(search({ 'auth.ldap.binddn': `uid=%u,${PEOPLE_BASE}` }))
  expect(await own('ann', 'pw-ann')).toMatchObject({
    kind: 'accept',
    parameters: { 'qvd.vm.user.uid': '5001' },
  })
  expect(await own('ann', 'wrong')).toMatchObject(ABSTAIN)
  // Nobody's password is wrong because ours is.
  const { log, lines } = recordedLog()
  const wrong = ldap(search({ ...account, 'auth.ldap.bindpass': 'not-the-one' }), log)
  await expect(wrong('ann', 'pw-ann')).rejects.toMatchObject(UNAVAILABLE)
  expect(lines.join('\n')).toContain('auth.ldap.bindpass')
  expect(lines.join('\n')).not.toContain('not-the-one')
  expect(lines.join('\n')).not.toContain('pw-ann')
})

test.each([
  ['base', `uid=ann,${PEOPLE_BASE}`, 'accept'],
  ['base', PEOPLE_BASE, 'abstain'],
  ['one', PEOPLE_BASE, 'accept'],
  ['one', ROOT, 'abstain'],
  ['sub', ROOT, 'accept'],
])('scope %s from %s: %s', async (scope, base, kind) => {
  const ask = ldap(search({ 'auth.ldap.scope': scope, 'auth.ldap.base': base }))
  expect(await ask('ann', 'pw-ann')).toMatchObject({ kind })
})

test('the scope is base where nothing is set', async () => {
  const { 'auth.ldap.scope': _, ...unset } = search()
  expect(await ldap(unset)('ann', 'pw-ann')).toMatchObject(ABSTAIN)
})

test.each([
  ['never', false, false],
  ['find', false, true],
  ['search', true, false],
  ['always', true, true],
])('deref %s: aliases below the base %s, the base itself %s', async (deref, below, base) => {
  const inside = ldap(search({ 'auth.ldap.deref': deref, 'auth.ldap.base': `ou=alias,${ROOT}` }))
  expect(await inside('ann', 'pw-ann')).toMatchObject({ kind: below ? 'accept' : 'abstain' })
  const there = ldap(search({ 'auth.ldap.deref': deref, 'auth.ldap.base': `ou=short,${ROOT}` }))
  expect(await there('gwen', 'pw-gwen')).toMatchObject({ kind: base ? 'accept' : 'abstain' })
})

test('referrals are never followed, and what is found beside them counts', async () => {
  const { log, lines } = recordedLog()
  const ask = ldap(search({ 'auth.ldap.base': `ou=refer,${ROOT}` }), log)
  expect(await ask('gwen', 'pw-gwen')).toMatchObject({ kind: 'accept' })
  expect(await ask('hugo', 'pw-hugo')).toMatchObject(ABSTAIN)
  expect(lines.filter((line) => line.startsWith('debug referrals are not followed'))).toHaveLength(2)
  // A base that lies elsewhere, and a bind that is sent elsewhere: this directory cannot tell.
  const far = ldap(search({ 'auth.ldap.base': `ou=far,ou=refer,${ROOT}` }))
  await expect(far('ann', 'pw-ann')).rejects.toMatchObject(UNAVAILABLE)
  const pattern = ldap(
    search({ 'auth.ldap.userbindpattern': `uid=%u,ou=far,ou=refer,${ROOT}`, 'auth.ldap.base': '' }),
  )
  await expect(pattern('ann', 'pw-ann')).rejects.toMatchObject(UNAVAILABLE)
  expect(visitors).toBe(0)
})

test('groups are searched page by page, by uid and by DN, and named by the first part of their DN', async () => {
  const ask = ldap(search({ 'auth.ldap.group.base': `ou=groups,${ROOT}` }))
  const ann = await ask('ann', 'pw-ann')
  expect(ann.kind === 'accept' && ann.groups?.toSorted()).toEqual(['unique', 'unix', 'with, comma'])
  const many = await ask('u0001', 'pw-u0001')
  expect(many).toHaveProperty('groups.length', 450)
  expect(await ask('u0002', 'pw-u0002')).toMatchObject({ kind: 'accept', groups: [] })
  const missing = ldap(search({ 'auth.ldap.group.base': `ou=gone,${ROOT}` }))
  await expect(missing('ann', 'pw-ann')).rejects.toMatchObject(UNAVAILABLE)
})

test('some of the groups only is no answer', async () => {
  const groups = Array.from({ length: 30 }, (_, index) =>
    entry(`cn=g${index},${PEOPLE_BASE}`, {
      objectClass: ['groupOfNames'],
      cn: `g${index}`,
      member: `uid=ann,${PEOPLE_BASE}`,
    }),
  )
  await using narrow = await Directory.start({
    ldif: [unit('people'), person('ann'), ...groups].join(''),
    global: 'sizelimit 20',
  })
  const more = { 'auth.ldap.host': narrow.uri, 'auth.ldap.group.base': PEOPLE_BASE }
  await expect(ldap(search(more))('ann', 'pw-ann')).rejects.toMatchObject(UNAVAILABLE)
  expect(await ldap(search({ 'auth.ldap.host': narrow.uri }))('ann', 'pw-ann')).toMatchObject({
    kind: 'accept',
  })
})

test("Active Directory's attributes: name, groups with the primary one, and disabled accounts", async () => {
  const settings = search({
    'auth.ldap.filter': '(&(objectClass=*) (|(sAMAccountName=%u)\n(userPrincipalName=%u)))',
    'auth.ldap.group.base': `ou=groups,${ROOT}`,
    'auth.ldap.group.filter': '(objectSid=%s)',
  })
  expect(await ldap(settings)('adele@example.org', 'pw-adele')).toMatchObject({
    kind: 'accept',
    groups: ['Domain Admins', 'Sales + Co', 'Domain Users'],
  })
  const byBits = '(&(uid=%u)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))'
  expect(await ldap(search({ 'auth.ldap.filter': byBits }))('dora', 'pw-dora')).toMatchObject(ABSTAIN)
  expect(await ldap(search())('dora', 'pw-dora')).toMatchObject({
    ...REJECT,
    reason: 'the account is disabled',
  })
  expect(await ldap(search())('dora', 'wrong')).toMatchObject({ ...REJECT, reason: 'wrong password' })
})

test.each(Object.keys(REFUSED))('%s is a no, with a reason in the log', async (login) => {
  const { log, lines } = recordedLog()
  expect(await ldap(search(), log)(login, `pw-${login}`)).toMatchObject(REJECT)
  expect(lines.at(-1)).toMatch(/^info a directory refused somebody .*"reason":"[^"]+"/)
})

test.each(Object.keys(COULD_NOT_TELL))('%s is neither yes nor no', async (login) => {
  const { log, lines } = recordedLog()
  await expect(ldap(search(), log)(login, `pw-${login}`)).rejects.toMatchObject(UNAVAILABLE)
  expect(lines.join('\n')).toContain(directory.uri)
  expect(lines.join('\n')).not.toContain(`pw-${login}`)
})

test('a refusal that matches the RACF rule counts as success, and its words reach the desktop', async () => {
  const ask = ldap(search({ 'auth.ldap.racf_allowregex': '^R004109 ' }))
  expect(await ask('racf', 'pw-racf')).toMatchObject({
    kind: 'accept',
    parameters: {
      'qvd.auth.ldap.racf_detailed_error': REFUSED['racf']?.[1],
      'qvd.vm.user.ldap.name': 'racf',
    },
  })
  expect(await ask('racf2', 'pw-racf2')).toMatchObject(REJECT)
  expect(await ask('unwilling', 'x')).toMatchObject(REJECT)
})

test.each(ODD)('the login %s means itself, in filters and in names', async (login) => {
  const people = ldap(search())
  expect(await people(login, `pw-${login}`)).toMatchObject({ kind: 'accept' })
  const pattern = ldap(search({ 'auth.ldap.base': '', 'auth.ldap.userbindpattern': `uid=%u,${PEOPLE_BASE}` }))
  expect(await pattern(login, `pw-${login}`)).toMatchObject({ kind: 'accept' })
  expect(await pattern(login, 'wrong')).toMatchObject(ABSTAIN)
})

test.each([
  '*',
  'an*',
  '*)(uid=*',
  'ann)(|(uid=*',
  '\\2a',
  'ann\\',
  ')',
  '(',
  'ann)(objectClass=*',
  '%u',
  '%d',
  'a$&n',
  'u000*',
])('the login %s finds nobody by a trick of filters', async (login) => {
  const group = { 'auth.ldap.group.base': `ou=groups,${ROOT}` }
  expect(await ldap(search(group))(login, 'pw-ann')).toMatchObject(ABSTAIN)
})

test.each([
  'ann,ou=people',
  'x,uid=ann',
  'ann+cn=ann',
  '#04',
  ' ann',
  'ann ',
  'ann\\2c',
  'ann;',
  'ann,',
  '=',
  '"ann"',
])('the login %j is nobody by a trick of names', async (login) => {
  const pattern = { 'auth.ldap.base': '', 'auth.ldap.userbindpattern': `uid=%u,${PEOPLE_BASE}` }
  expect(await ldap(search(pattern))(login, 'pw-ann')).toMatchObject(ABSTAIN)
})

test('one user has one name: what the directory alone takes for the same is nobody', async () => {
  for (const login of ['ａnn', 'an\u00adn', 'ann\u200b', 'a\u2060nn', 'ann\u3000', 'comma,  inc'])
    expect(await ldap(search())(login, 'pw-ann')).toMatchObject(ABSTAIN)
})

test('ldap,default: unknown asks default, a wrong password does not, and both say the same', async () => {
  const { signIn, asked } = await ldapThenDefault(search(), { ann: '', local: 'here', u0001: 'other' })
  expect(await signIn('ann', 'pw-ann')).toMatchObject({
    login: 'ann',
    parameters: { 'qvd.vm.user.uid': '5001' },
  })
  expect(asked).toEqual([])
  expect(await signIn('local', 'here')).toMatchObject({ login: 'local' })
  expect(asked).toEqual(['local'])
  // She has another password here, and that is not for those whom the directory knows.
  for (const password of ['other', 'wrong'])
    await expect(signIn('u0001', password)).rejects.toMatchObject({ code: 'auth.required' })
  await expect(signIn('ann', 'wrong')).rejects.toMatchObject({ code: 'auth.required' })
  await expect(signIn('ann', '')).rejects.toMatchObject({ code: 'auth.required' })
  expect(asked).toEqual(['local'])
})

test.each([
  [{ 'auth.ldap.host': '' }, 'auth.ldap.host'],
  [{ 'auth.ldap.host': 'http://x' }, 'auth.ldap.host'],
  [{ 'auth.ldap.host': 'ldap://ann:secret@x' }, 'auth.ldap.host'],
  [{ 'auth.ldap.filter': '(uid=ann)' }, 'auth.ldap.filter'],
  [{ 'auth.ldap.userbindpattern': 'uid=ann' }, 'auth.ldap.userbindpattern'],
  [{ 'auth.ldap.racf_allowregex': '(' }, 'auth.ldap.racf_allowregex'],
])('%j is refused by name', (more, key) => {
  expect(() => ldap(search(more))).toThrow(key)
  expect(() => ldap(search(more))).not.toThrow('secret')
})

test('a filter that is none, and a base that is not there, are no reason for 401', async () => {
  const { log, lines } = recordedLog()
  const unbalanced = ldap(search({ 'auth.ldap.filter': '((uid=%u)' }), log)
  await expect(unbalanced('ann', 'pw-ann')).rejects.toMatchObject(UNAVAILABLE)
  expect(lines.join('\n')).toContain('auth.ldap.filter is no filter')
  const gone = search({ 'auth.ldap.base': `ou=gone,${ROOT}` })
  await expect(ldap(gone)('ann', 'pw-ann')).rejects.toMatchObject(UNAVAILABLE)
})

test('two hundred sign-ins of all kinds leave no descriptor behind', async () => {
  const open = (): number => readdirSync('/proc/self/fd').length
  const ask = ldap(search())
  await ask('ann', 'pw-ann')
  const before = open()
  const one = async (kind: number): Promise<unknown> => {
    if (kind === 0) return await ask('ann', 'pw-ann')
    if (kind === 1) return await ask('ann', 'wrong')
    if (kind === 2) return await ask('nobody', 'x')
    if (kind === 3) return await ask('busy', 'pw-busy').catch(() => {})
    return await ask('ann', 'pw-ann', AbortSignal.timeout(1)).catch(() => {})
  }
  for (let round = 0; round < 10; round++)
    await Promise.all(Array.from({ length: 20 }, (_, index) => one(index % 5)))
  expect(await comesToHold(() => open() <= before, 10_000, 50)).toBe(true)
})
