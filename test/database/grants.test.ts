import { ROLES } from '@ostler/proxy/store/bootstrap.ts'
import { run } from '@ostler/kit/run.ts'
import { findAccount } from '@ostler/kit/passwd.ts'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BareNode, makeBareNode } from '../fixtures/bare-node.ts'

/**
 * What each role may do, checked in: a change of a right is a change of this file, which somebody reads. Written anew by
 * `vitest run test/database/grants.test.ts --update`.
 */
const EXPECTED = join(import.meta.dirname, 'grants.txt')

let node: BareNode
beforeAll(async () => {
  node = makeBareNode()
  await node.up()
})
afterAll(async () => await node[Symbol.asyncDispose]())

const RIGHTS = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']
const BY_COLUMN = ['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']

interface RightRow {
  readonly table: string
  readonly role: string
  readonly word: string
  readonly whole: boolean
  readonly columns: string | null
}

/** One line for each table and role: what it may, for whole tables, or for which columns. */
async function rightsNow(): Promise<string[]> {
  const { rows } = await node.sql(`
    SELECT c.relname AS table, r.role, p.word,
      has_table_privilege(r.role, c.oid, p.word) AS whole,
      CASE WHEN p.word = ANY ('{${BY_COLUMN.join(',')}}') THEN (
        SELECT string_agg(a.attname, ' ' ORDER BY a.attname) FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          AND has_column_privilege(r.role, c.oid, a.attnum, p.word)) END AS columns
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
      unnest(ARRAY['${ROLES.l7r}', '${ROLES.api}', 'public']) AS r(role),
      unnest(ARRAY['${RIGHTS.join("','")}']) WITH ORDINALITY AS p(word, place)
    WHERE n.nspname = 'ostler' AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
    ORDER BY c.relname, r.role, p.place`)
  const lines = new Map<string, string[]>()
  for (const { table, role, word, whole, columns } of rows as unknown as RightRow[]) {
    const key = `${table} ${role}:`
    const right = whole ? word : columns === null ? undefined : `${word}(${columns})`
    const known = lines.get(key) ?? []
    lines.set(key, right === undefined ? known : [...known, right])
  }
  return [...lines].map(([key, rights]) => `${key} ${rights.length === 0 ? 'nothing' : rights.join(', ')}`)
}

describe('the roles of the database', () => {
  test('may do with every table what is checked in, and nothing else', async () => {
    await expect(`${(await rightsNow()).join('\n')}\n`).toMatchFileSnapshot(EXPECTED)
  })

  test('the door and the api read no key, and neither writes what hkd alone says of a desktop', async () => {
    const now = await rightsNow()
    for (const role of [ROLES.l7r, ROLES.api]) {
      // The key to which the door's is sealed is a public one.
      const authority = role === ROLES.api ? 'SELECT(sealing_key)' : 'nothing'
      expect(now).toContain(`authority ${role}: ${authority}`)
      expect(now.find((line) => line.startsWith(`ssl_file ${role}:`))).not.toMatch(
        /SELECT(?!\()|SELECT\([^)]*sealed/,
      )
      const facts = now.find((line) => line.startsWith(`vm ${role}:`))
      expect(facts).not.toMatch(/UPDATE(?!\()/)
      expect(facts).not.toMatch(/(?:UPDATE|INSERT)\([^)]*\b(?:state|epoch|host_id|fault)\b/)
    }
  })

  test('are no superusers, make nothing, and are in no other role', async () => {
    const { rows } = await node.sql(`
      SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls,
        has_schema_privilege(oid, 'ostler', 'CREATE') AS makes, (SELECT count(*)::int FROM pg_auth_members m WHERE m.member = r.oid) AS roles
      FROM pg_roles r WHERE rolname = ANY ('{${Object.values(ROLES).join(',')}}') ORDER BY 1`)
    const nothing = { rolsuper: false, rolcreatedb: false, rolcreaterole: false, rolreplication: false }
    const common = { ...nothing, rolbypassrls: false, roles: 0 }
    expect(rows).toEqual([
      { rolname: ROLES.api, ...common, makes: false },
      { rolname: ROLES.hkd, ...common, makes: true },
      { rolname: ROLES.l7r, ...common, makes: false },
    ])
  })
})

describe('on the node', () => {
  /** Connects as a system user and says which role it has become. */
  const connect = async (
    user: string,
    sockets: 'postgres' | 'postgres-api',
    role: string,
  ): Promise<string> => {
    const account = findAccount(user)
    if (account === undefined) throw new Error(`there is no user ${user}`)
    const drop = [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups', '--']
    const call = ['-h', join(node.folder, 'run', sockets), '-U', role, '-d', 'ostler']
    const { stdout } = await run('setpriv', [...drop, 'psql', ...call, '-XAtc', 'SELECT current_user'], {
      cwd: '/',
    })
    return stdout.trim()
  }

  test('the door and the api have their own role, each by its own socket', async () => {
    expect(await connect(node.users.door, 'postgres', ROLES.l7r)).toBe(ROLES.l7r)
    expect(await connect(node.users.api, 'postgres-api', ROLES.api)).toBe(ROLES.api)
  })

  test.each([
    ['the door', 'door', 'postgres', ROLES.api],
    ['the door', 'door', 'postgres', ROLES.hkd],
    ['the door', 'door', 'postgres', 'postgres'],
    ['the api', 'api', 'postgres-api', ROLES.l7r],
    ['the api', 'api', 'postgres-api', ROLES.hkd],
    ['the api', 'api', 'postgres-api', 'postgres'],
  ] as const)('%s does not get another role (%s at %s as %s)', async (_, who, sockets, role) => {
    await expect(connect(node.users[who], sockets, role)).rejects.toThrow(/Peer authentication failed/)
  })

  test.each([
    ['the door', 'door', 'postgres-api', ROLES.l7r],
    ['the api', 'api', 'postgres', ROLES.api],
  ] as const)("%s does not reach the other's socket (%s at %s)", async (_, who, sockets, role) => {
    await expect(connect(node.users[who], sockets, role)).rejects.toThrow(/Permission denied/)
  })

  test('another user of the node reaches neither socket', async () => {
    for (const sockets of ['postgres', 'postgres-api'] as const)
      await expect(connect('bin', sockets, ROLES.l7r)).rejects.toThrow(/Permission denied/)
  })
})
