import type { ImportAnswer } from '@ostler/contract/configuration-api.ts'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { adminApi } from '../fixtures/admin-api.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'

let database: TestDatabase
let app: ReturnType<typeof adminApi>

beforeAll(async () => {
  database = await openTestDatabase()
  await database.as('hkd').insertInto('tenant').values({ name: 'acme' }).execute()
  app = adminApi(database)
})
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(() => database.as('hkd').deleteFrom('config').execute())

async function take(text: string, more: object = {}): Promise<ImportAnswer & { text?: string }> {
  const body = JSON.stringify({ text, apply: true, ...more })
  const response = await app.request('/v1/configuration/import', { method: 'POST', body })
  return (await response.json()) as ImportAnswer & { text?: string }
}

async function stored(): Promise<string[]> {
  const rows = await database
    .as('hkd')
    .selectFrom('config')
    .selectAll()
    .orderBy('tenant_id')
    .orderBy('key')
    .execute()
  return rows.map(({ tenant_id, key, value }) => `${tenant_id} ${key}=${value}`)
}

const NODE_CONF = `# of a QVD
nodename = alfa
database.host = qvddb.example.org
database.password = hush
vm.network.ip.start = 10.9.0.100
vm.network.netmask = 255.255.0.0
vm.network.gateway = 10.9.0.1
vm.hypervisor = kvm
l7r.ssl.options.SSL_version = TLSv1_2
l7r.auth.plugins = default
vm.kvm.cpus = 4
site.rack = 7
l7r.stream.idle = soon
`

test('a node.conf is judged first: nothing is stored, and nothing that is secret is said', async () => {
  const answer = await take(NODE_CONF, { apply: false })
  expect(answer.keys.map(({ key, kind }) => `${kind} ${key}`)).toEqual([
    'file nodename',
    'file database.host',
    'file database.password',
    'honoured vm.network.ip.start',
    'honoured vm.network.netmask',
    'honoured vm.network.gateway',
    'honoured vm.hypervisor',
    'mapped l7r.ssl.options.SSL_version',
    'honoured l7r.auth.plugins',
    'reported vm.kvm.cpus',
    'unknown site.rack',
    'refused l7r.stream.idle',
  ])
  expect(answer).toMatchObject({ stored: 8, applied: false })
  expect(JSON.stringify(answer)).not.toContain('hush')
  expect(await stored()).toEqual([])
})

test('then it is stored, in our words', async () => {
  expect(await take(NODE_CONF)).toMatchObject({ stored: 8, applied: true })
  expect(await stored()).toEqual([
    '-1 l7r.auth.plugins=default',
    '-1 l7r.options.SSL_version=TLSv1_2',
    '-1 site.rack=7',
    '-1 vm.hypervisor=lxc',
    '-1 vm.kvm.cpus=4',
    '-1 vm.network.gateway=10.9.0.1',
    '-1 vm.network.ip.start=10.9.0.100',
    '-1 vm.network.netmask=255.255.0.0',
  ])
})

const COPY = `--
COPY public.configs (tenant_id, key, value) FROM stdin;
-1\tl7r.auth.plugins\tldap,default
-1\tauth.ldap.filter\t(uid=%u)\\\\x
3\tauth.ldap.base\tdc=acme
3\tl7r.stream.idle\t9
\\.
COPY public.users (id, login) FROM stdin;
1\tann
\\.
`
const TENANTS = `COPY public.tenants (id, name, language) FROM stdin;
3\tacme\tauto
\\.
`

test("pg_dump's text: tenants are known by the names that stand in it", async () => {
  const answer = await take(COPY + TENANTS)
  expect(answer.keys.map(({ key, tenant, kind }) => [key, tenant, kind])).toEqual([
    ['l7r.auth.plugins', null, 'honoured'],
    ['auth.ldap.filter', null, 'honoured'],
    ['auth.ldap.base', 'acme', 'honoured'],
    ['l7r.stream.idle', 'acme', 'file'],
  ])
  expect(await stored()).toEqual([
    '-1 auth.ldap.filter=(uid=%u)\\x',
    '-1 l7r.auth.plugins=ldap,default',
    '2 auth.ldap.base=dc=acme',
  ])
})

/** Whatever another table holds is text: statements in it are none, and neither are quotes. */
const OTHERS = `\\restrict Ab12
SET standard_conforming_strings = on;
CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO configs VALUES (1, ';'); END $$;
INSERT INTO public.users VALUES (1, 'ann', 'it''s; /* not
INSERT INTO public.configs VALUES (-1, ''site.fake'', ''1'');');
-- it's a comment
`

test.each([
  [
    '--column-inserts',
    `${OTHERS}INSERT INTO public.configs (tenant_id, key, value) VALUES (-1, 'l7r.auth.plugins', 'ldap,default');
INSERT INTO public.configs (value, key, tenant_id) VALUES ('(uid=%u)\\x', 'auth.ldap.filter', -1);
INSERT INTO public.configs (tenant_id, key, value) VALUES (3, 'auth.ldap.base', 'o=it''s
"; 1');
INSERT INTO public.tenants (id, name, language) VALUES (3, 'acme', NULL);
`,
  ],
  [
    '--inserts, many rows at once',
    `${OTHERS}INSERT INTO configs VALUES
	(-1, 'l7r.auth.plugins', 'ldap,default'),
	(-1, 'auth.ldap.filter', E'(uid=%u)\\\\x'),
	(3, 'auth.ldap.base', E'o=it\\'s\\n"; 1') ON CONFLICT (tenant_id, key) DO NOTHING;
INSERT INTO tenants VALUES (3, 'acme');
`,
  ],
])("pg_dump's statements, of %s", async (_, dump) => {
  const answer = await take(dump)
  expect(answer.keys.map(({ key, tenant }) => [key, tenant])).toEqual([
    ['l7r.auth.plugins', null],
    ['auth.ldap.filter', null],
    ['auth.ldap.base', 'acme'],
  ])
  expect(await stored()).toEqual([
    '-1 auth.ldap.filter=(uid=%u)\\x',
    '-1 l7r.auth.plugins=ldap,default',
    '2 auth.ldap.base=o=it\'s\n"; 1',
  ])
})

test.each([
  ["INSERT INTO configs VALUES ('a', 'b', 'c', 'd');", /line 1 has 4 values: dump it with --column-inserts/],
  ["\nINSERT INTO configs VALUES ('a', 'b", /line 2 has a ' that does not end/],
  ["INSERT INTO configs VALUES ('a', now());", /line 1 has a value that is no plain one/],
  ["INSERT INTO configs VALUES ('a', 'b')", /line 1 does not end/],
  ['INSERT INTO configs SELECT key FROM old;', /line 1 has no VALUES/],
])('a statement that says something else is refused: %s', async (dump, problem) => {
  expect((await take(dump)).text).toMatch(problem)
  expect(await stored()).toEqual([])
})

test('a tenant whose name is not there must be named, and one that is not here is said', async () => {
  expect((await take(COPY)).text).toMatch(/keys of the tenant 3 and not its name: add tenant.3=NAME/)
  expect((await take(COPY, { tenants: { 3: 'nobody' } })).text).toMatch(/nobody/)
  expect(await stored()).toEqual([])
  expect(await take(COPY, { tenants: { 3: 'acme' } })).toMatchObject({ stored: 3 })
})

test.each([
  ['4', 'COPY public.configs (tenant_id, key, value) FROM stdin;\n-1\tsite.a\tone\n\\.\n'],
  ['3', 'COPY public.configs (key, value) FROM stdin;\nsite.a\tone\n\\.\n'],
])('C-105: a dump of QVD %s is read by the names of its columns', async (_, dump) => {
  // Its configuration is; a database of QVD is never read in place (architecture, Ownership of data), and is refused as ours.
  expect(await take(dump)).toMatchObject({ stored: 1 })
  expect(await stored()).toEqual(['-1 site.a=one'])
})

test.each([
  ['with the columns named', 'tenant_id,key,value\n-1,site.a,"one, ""two"""\n'],
  ['without', '-1,site.a,"one, ""two"""\n'],
  ["of QVD 3's table, which has no tenants", 'key,value\nsite.a,"one, ""two"""\n'],
])('CSV %s', async (_, csv) => {
  expect(await take(csv)).toMatchObject({ stored: 1 })
  expect(await stored()).toEqual(['-1 site.a=one, "two"'])
})

test('what is neither is refused with its line', async () => {
  expect((await take('a = 1\n= nothing\n')).text).toBe('invalid request: line 2 expected "key = value"')
  expect((await take('COPY configs (key, value) FROM stdin;\nonly\n\\.\n')).text).toMatch(
    /line 2 has 1 columns, not 2/,
  )
  expect(await stored()).toEqual([])
})
