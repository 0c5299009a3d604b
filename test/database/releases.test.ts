import { silentLog } from '@ostler/kit/log.ts'
import { bootstrapDatabase } from '@ostler/proxy/store/bootstrap.ts'
import { differences, readContents } from '@ostler/proxy/store/contents.ts'
import { migrate } from '@ostler/proxy/store/migrate.ts'
import { type DatabaseAddress, openDatabase } from '@ostler/proxy/store/open.ts'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { dumpSchema, RELEASES } from './release-dump.ts'

let database: TestDatabase
beforeAll(async () => (database = await openTestDatabase()))
afterAll(() => database[Symbol.asyncDispose]())

const superuser = (name: string): DatabaseAddress => ({
  ...database.address('hkd'),
  user: 'postgres',
  database: name,
})

/** A database as a release left it. @returns its address as hkd. */
async function asReleased(file: string, name: string): Promise<DatabaseAddress> {
  await bootstrapDatabase(superuser('postgres'), name)
  const client = new pg.Client(superuser(name))
  await client.connect()
  await client.query(readFileSync(join(RELEASES, file), 'utf8'))
  await client.end()
  return { ...database.address('hkd'), database: name }
}

async function forward(address: DatabaseAddress): Promise<readonly string[]> {
  const db = openDatabase(address, silentLog)
  try {
    return await migrate(db)
  } finally {
    await db.destroy()
  }
}

const files = readdirSync(RELEASES).filter((file) => file.endsWith('.sql'))

test.each(files)('%s goes forward to this version: the same tables, and nothing is lost', async (file) => {
  const address = await asReleased(file, `released_${files.indexOf(file)}`)
  const before = await readContents({ ...address, user: 'postgres' })
  await forward(address)
  expect(await dumpSchema(address, 'schema')).toBe(await dumpSchema(database.address('hkd'), 'schema'))
  const after = await readContents({ ...address, user: 'postgres' })
  const fewer = [...before].filter(([table, { rows }]) => (after.get(table)?.rows ?? 0) < rows)
  expect(fewer.map(([table]) => table)).toEqual([])
  expect(before.get('users')?.rows).toBeGreaterThan(0)
  expect(await forward(address)).toEqual([])
})

test('tables of a newer version: it says which, what to do, and changes nothing', async () => {
  const name = 'newer'
  const address = await asReleased(files.at(-1) ?? '', name)
  const client = new pg.Client(superuser(name))
  await client.connect()
  await client.query(`INSERT INTO ostler.kysely_migration VALUES ('9999-future', now()::text)`)
  await client.end()
  const before = await readContents(superuser(name))
  await expect(forward(address)).rejects.toMatchObject({
    code: 'database.newer',
    message: expect.stringContaining('9999-future') as string,
    advice: 'Install that version or a later one.',
  })
  expect(differences(before, await readContents(superuser(name)))).toEqual([])
})
