import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openTestDatabase } from '../fixtures/database.ts'
import { addTestDesktop, addTestTenant, addTestUser } from '../fixtures/database-rows.ts'
import { dumpSchema, RELEASES } from './release-dump.ts'

/** `npm run keep-release VERSION`: keeps a dump of this version's tables, with a few rows in them (CONTRIBUTING.md). */
const [version = ''] = process.argv.slice(2)
if (!/^\d+\.\d+\.\d+(-[a-z]+)?$/.test(version)) throw new Error('which version? 1.2.3')
await using database = await openTestDatabase()
const db = database.as('hkd')
const tenant_id = await addTestTenant(db, 'acme')
await addTestUser(db, { login: 'ann', tenant_id, password: '$scrypt$' })
const vm = await addTestDesktop(db, '10.3.15.20')
await db.insertInto('wish').values({ vm_id: vm, kind: 'run', by: 'administrator', reason: 'qa' }).execute()
const config = [
  { tenant_id: -1, key: 'l7r.auth.plugins', value: 'default' },
  { tenant_id, key: 'l7r.auth.timeout', value: '20' },
]
await db.insertInto('config').values(config).execute()
writeFileSync(join(RELEASES, `${version}.sql`), await dumpSchema(database.address('hkd'), 'all'))
