import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openQaRoom, type QaRoom } from '../fixtures/qa-room.ts'
import { openQvdDatabase, type QvdDatabase } from '../fixtures/qvd-database.ts'

/** `qa import qvd` from a real PostgreSQL with the tables of a QVD. */
async function rowsOf(room: QaRoom, query: string): Promise<unknown[]> {
  return (await sql.raw(query).execute(room.database.as('hkd'))).rows
}
const orderFor = (qvd: QvdDatabase): string => `import qvd host=${qvd.host} database=postgres user=postgres`

describe('of a QVD 4.x', () => {
  let [room, qvd]: [QaRoom, QvdDatabase] = [undefined as never, undefined as never]
  beforeAll(async () => {
    room = await openQaRoom()
    qvd = await openQvdDatabase(4)
  })
  afterAll(async () => {
    await qvd[Symbol.asyncDispose]()
    await room[Symbol.asyncDispose]()
  })

  const countsOf = (lines: readonly string[]): Record<string, string> =>
    Object.fromEntries(
      lines.flatMap((line) => {
        const [, kind, counts] = /^ {2}(\w+) +(\d+ +\d+ +\d+)$/.exec(line) ?? []
        return kind === undefined || counts === undefined ? [] : [[kind, counts.replaceAll(/ +/g, ' ')]]
      }),
    )

  test('a dry run tells what would be, and changes nothing', async () => {
    const { lines, failed } = await room.qa(orderFor(qvd))
    expect(failed).toBeUndefined()
    expect(countsOf(lines)).toEqual({
      ...{ tenant: '2 1 1', user: '3 2 0', osf: '2 2 0', di: '3 2 0', vm: '3 2 0' },
      ...{ property: '3 2 0', config: '3 2 0', host: '1 0 0', administrator: '1 0 0' },
    })
    expect(lines).toEqual(
      expect.arrayContaining([
        'user zoë b: left out: no account can be called so',
        'osf office: of acme: it is called office.acme here',
        'osf office.acme: had no overlay there; desktops here always write to one',
        'di office.acme-1: left out: nothing is known of a file like 22-odd',
        'vm desk: of ann: it is called desk.ann here',
        'vm desk.ann: its address 192.168.7.7 becomes 10.3.15.254',
        'vm lost: left out: its user is',
        'Nothing has been changed: add --apply.',
      ]),
    )
    expect(await rowsOf(room, 'SELECT FROM ostler.users')).toEqual([])
    expect(await rowsOf(room, 'SELECT FROM ostler.flavour')).toEqual([])
    expect(await rowsOf(room, 'SELECT FROM ostler.config')).toEqual([])
  })

  test('is done whole with --apply: hashes, flavours, images with tags, desktops, properties, configuration', async () => {
    const { lines, failed } = await room.qa(`${orderFor(qvd)} --apply`)
    expect([failed, lines.at(-1)]).toEqual([undefined, 'Done.'])
    expect(
      await rowsOf(
        room,
        `SELECT tenant.name AS tenant, login, password, users.blocked FROM ostler.users
        JOIN ostler.tenant ON tenant.id = tenant_id ORDER BY 1 DESC`,
      ),
    ).toEqual([
      { tenant: 'default', login: 'ann', password: 'qvdhash', blocked: false },
      { tenant: 'acme', login: 'ann', password: '', blocked: true },
    ])
    expect(
      await rowsOf(room, 'SELECT name, memory_mb, home_mb, is_application FROM ostler.flavour ORDER BY id'),
    ).toEqual([
      { name: 'office', memory_mb: 512, home_mb: 2048, is_application: false },
      { name: 'office.acme', memory_mb: 64, home_mb: 0, is_application: true },
    ])
    expect(
      await rowsOf(
        room,
        `SELECT name, kind, path, string_agg(tag || CASE WHEN fixed THEN '!' ELSE '' END, ' ' ORDER BY tag) AS tags
        FROM ostler.disk_image JOIN ostler.image_tag ON disk_image_id = disk_image.id GROUP BY 1, 2, 3 ORDER BY 1`,
      ),
    ).toEqual([
      {
        name: 'office-2026-01-01-000',
        kind: 'tarball',
        path: '20-office.tar.gz',
        tags: '2026-01-01-000! default',
      },
      {
        name: 'office-2026-02-01-000',
        kind: 'tarball',
        path: '21-office.tar.gz',
        tags: '2026-02-01-000! head',
      },
    ])
    expect(await rowsOf(room, 'SELECT name, address, di_tag, blocked FROM ostler.vm ORDER BY id')).toEqual([
      { name: 'desk', address: '10.3.15.77', di_tag: 'default', blocked: false },
      { name: 'desk.ann', address: '10.3.15.254', di_tag: 'head', blocked: true },
    ])
    expect((await room.qa('user propget')).lines).toEqual(['ann\tbeverage=beer'])
    expect((await room.qa('vm propget')).lines).toEqual(['desk\tcustom.x=y'])
    expect((await room.qa('config get l7r.auth.timeout tenant=acme')).lines).toEqual(['l7r.auth.timeout=21'])
    expect(await rowsOf(room, `SELECT value FROM ostler.config WHERE key LIKE '%salt'`)).toEqual([
      { value: 'pepper' },
    ])
  })

  test('is done twice without harm, and the audit log has it without the password', async () => {
    const { lines, failed } = await room.qa(`${orderFor(qvd)} password=hush --apply`)
    expect(failed).toBeUndefined()
    expect(countsOf(lines)).toMatchObject({ user: '3 0 2', osf: '2 0 2', di: '3 0 2', vm: '3 0 2' })
    expect(await rowsOf(room, 'SELECT FROM ostler.vm')).toHaveLength(2)
    const said = JSON.stringify(await rowsOf(room, 'SELECT said FROM ostler.audit'))
    expect([said.includes('"apply":true'), said.includes('hush')]).toEqual([true, false])
  })

  test('nothing is written there, and what is no QVD’s is refused', async () => {
    expect(await qvd.query('SELECT count(*)::int AS count FROM vms')).toEqual([{ count: 3 }])
    await qvd.query('ALTER TABLE vms RENAME TO others')
    expect((await room.qa(orderFor(qvd))).failed).toMatchObject({ code: 'import.foreign' })
    const nowhere = await room.qa('import qvd host=/nowhere')
    expect(nowhere.failed).toMatchObject({ code: 'import.unreachable' })
    expect((await room.qa('import qvd')).failed).toMatchObject({ code: 'client.choice' })
  })
})

test('of a QVD 3.x, which has no tenants, all comes into the first one', async () => {
  await using room = await openQaRoom()
  await using qvd = await openQvdDatabase(3)
  const { lines, failed } = await room.qa(`${orderFor(qvd)} --apply`)
  expect(failed).toBeUndefined()
  expect(lines[0]).toContain('version 3.3.0')
  expect((await room.qa('vm list -q --columns=name,user,tenant,osf')).lines).toEqual([
    'desk  ann   default  office',
  ])
  expect((await room.qa('user propget')).lines).toEqual(['ann\tbeverage=beer'])
  expect(await rowsOf(room, 'SELECT kind FROM ostler.disk_image')).toEqual([{ kind: 'qcow2' }])
  expect((await room.qa('config get l7r.auth.timeout')).lines).toEqual(['l7r.auth.timeout=21'])
})
