import { sql } from 'kysely'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openQaRoom, type QaRoom } from '../fixtures/qa-room.ts'

/** `qa import kvm-vdi` of a dump as mysqldump writes it: tables first, rows without columns, in several values a statement. */
let room: QaRoom
const folder = mkdtempSync(join(tmpdir(), 'ostler-kvm-vdi-'))

beforeAll(async () => {
  room = await openQaRoom()
})
afterAll(async () => {
  await room[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

const table = (name: string, ...columns: readonly string[]): string =>
  `DROP TABLE IF EXISTS \`${name}\`;
/*!40101 SET character_set_client = utf8 */;
CREATE TABLE \`${name}\` (
${columns.map((column) => `  \`${column}\` varchar(255) NOT NULL DEFAULT '',\n`).join('')}  PRIMARY KEY (\`id\`)
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8;
LOCK TABLES \`${name}\` WRITE;
/*!40000 ALTER TABLE \`${name}\` DISABLE KEYS */;
`

const DUMP = `-- MySQL dump 10.15  Distrib 10.0.25-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: localhost    Database: vdi
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
${table('clients', 'id', 'username', 'password', 'ip', 'isdomain', 'lastlogin')}INSERT INTO \`clients\` VALUES (1,'ann','$2y$10$hush','10.0.0.1',0,'2017-04-07 10:00:00'),(2,'o\\'hara; DROP','x','',0,NULL),(4,'bob','','',1,'0000-00-00 00:00:00');
${table('config', 'id', 'name', 'valueint', 'valuechar', 'valuedate')}INSERT INTO \`config\` (\`id\`, \`name\`, \`valueint\`, \`valuechar\`, \`valuedate\`) VALUES
(1, 'dbversion', 0, '20170407001', '0000-00-00 00:00:00');
${table('hypervisors', 'id', 'name', 'ip', 'port', 'maintenance', 'address2')}INSERT INTO \`hypervisors\` VALUES (1,'kvm1','10.0.0.2','22',0,'');
${table('pool', 'id', 'name')}INSERT INTO \`pool\` VALUES (3,'lab');
${table('poolmap', 'id', 'poolid', 'clientid')}INSERT INTO \`poolmap\` VALUES (1,3,1),(2,3,2),(3,3,4);
${table('poolmap_vm', 'id', 'poolid', 'vmid')}INSERT INTO \`poolmap_vm\` VALUES (1,3,12),(2,3,13);
${table('users', 'id', 'username', 'password', 'ip', 'lastlogin', 'config')}INSERT INTO \`users\` VALUES (1,'admin','y','','0000-00-00 00:00:00',NULL);
${table('vms', 'id', 'name', 'hypervisor', 'machine_type', 'source_volume', 'snapshot', 'maintenance', 'spice_password', 'clientid')}INSERT INTO \`vms\` VALUES (10,'win-source',1,'sourcemachine','','','false','s',0),(11,'win10',1,'initialmachine','10','','true','s',0),(12,'win10-1',1,'vdimachine','11','true','false','secret',1),(13,'win10-2',1,'vdimachine','11','true','true','s',4),(14,'win10-3',1,'vdimachine','11','true','false','s',0);
`

function dump(text: string): string {
  const file = join(folder, 'vdi.sql')
  writeFileSync(file, text)
  return file
}
const rowsOf = async (query: string): Promise<unknown[]> =>
  (await sql.raw(query).execute(room.database.as('hkd'))).rows

test('a dry run tells what would be, and changes nothing', async () => {
  const { lines, failed } = await room.qa(`import kvm-vdi ${dump(DUMP)}`)
  expect(failed).toBeUndefined()
  expect(lines[0]).toContain('a KVM-VDI, version 20170407001')
  expect(lines).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^ {2}user +3 +2 +0$/),
      expect.stringMatching(/^ {2}group +1 +1 +0$/),
      expect.stringMatching(/^ {2}vm +2 +2 +0$/),
      "user o'hara; DROP: left out: no account can be called so",
      'user ann: has no password here: qa user passwd, or a sign-in by a directory',
      'vm win-source: left out: a sourcemachine is no desktop of a user',
      'vm win10-3: left out: it is nobody’s; a pool here makes what is wanted (qa pool add)',
      'pool lab: its users are a group; with its 2 machines: qa pool add name=lab osf=win10 size=2 for=lab',
      expect.stringMatching(/^host kvm1: a node makes itself known/),
      expect.stringMatching(/^administrator admin: /),
      'Nothing has been changed: add --apply.',
    ]),
  )
  expect(await rowsOf('SELECT FROM ostler.users')).toEqual([])
})

test('with --apply users, groups, flavours and desktops are there, and again nothing is added', async () => {
  const { lines, failed } = await room.qa(`import kvm-vdi ${dump(DUMP)} --apply`)
  expect([failed, lines.at(-1)]).toEqual([undefined, 'Done.'])
  expect(await rowsOf('SELECT login, password FROM ostler.users ORDER BY login')).toEqual([
    { login: 'ann', password: '' },
    { login: 'bob', password: '' },
  ])
  expect(await rowsOf('SELECT name, hypervisor, memory_mb FROM ostler.flavour')).toEqual([
    { name: 'win10', hypervisor: 'kvm', memory_mb: 2_048 },
  ])
  expect((await room.qa('vm list -q --columns=name,user,osf')).lines).toEqual([
    'win10-1  ann   win10',
    'win10-2  bob   win10',
  ])
  expect(await rowsOf('SELECT name FROM ostler.vm WHERE blocked')).toEqual([{ name: 'win10-2' }])
  expect((await room.qa('group list --json')).lines.join('')).toMatch(/"members": ?"ann,bob"/)
  const again = await room.qa(`import kvm-vdi ${dump(DUMP)} --apply`)
  expect(again.lines).toEqual(expect.arrayContaining([expect.stringMatching(/^ {2}vm +2 +0 +2$/)]))
  const said = JSON.stringify(await rowsOf('SELECT said FROM ostler.audit'))
  expect([said.includes('"apply":true'), said.includes('hush'), said.includes('secret')]).toEqual([
    true,
    false,
    false,
  ])
})

test.each([
  ['what is no dump of it', 'CREATE TABLE `posts` (\n  `id` int,\n);\n', 'import.foreign'],
  ['a dump without its tables', "INSERT INTO `clients` VALUES (1,'ann');\n", 'import.foreign'],
  ['a row with too few values', DUMP.replace("(3,'lab')", '(3)'), 'request.invalid'],
  ['a text that does not end', `${DUMP}INSERT INTO \`pool\` VALUES (9,'x`, 'request.invalid'],
])('%s is refused', async (_, text, code) => {
  expect((await room.qa(`import kvm-vdi ${dump(text)}`)).failed).toMatchObject({ code })
})

test('a file that is not there, and no file, are refused', async () => {
  for (const words of ['import kvm-vdi /nowhere/vdi.sql', 'import kvm-vdi', 'import kvm-vdi a b'])
    expect((await room.qa(words)).failed).toMatchObject({ code: 'client.choice' })
})
