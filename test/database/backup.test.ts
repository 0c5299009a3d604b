import { Fault } from '@ostler/contract/fault.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { run } from '@ostler/kit/run.ts'
import { BackupKeeper } from '@ostler/proxy/hkd/backup-keeper.ts'
import { saveDatabase } from '@ostler/proxy/hkd/database-dump.ts'
import { addTenant } from '@ostler/proxy/store/admin.ts'
import {
  askForBackup,
  type BackupMade,
  endBackups,
  findBackup,
  listBackups,
  takeBackups,
} from '@ostler/proxy/store/backups.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BareNode, makeBareNode } from '../fixtures/bare-node.ts'
import { until } from '../fixtures/world.ts'

let node: BareNode
let db: Db
beforeAll(async () => {
  node = makeBareNode()
  db = await node.up()
})
afterAll(async () => await node[Symbol.asyncDispose]())

const never = new AbortController().signal
const files = (): string[] => readdirSync(node.dump.folder).sort()
const databases = async (): Promise<unknown[]> =>
  (await node.sql('SELECT datname FROM pg_database ORDER BY 1')).rows.map(({ datname }) => datname)
const faultOf = async (work: Promise<unknown>): Promise<Fault> => {
  const fault = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(fault instanceof Fault)) throw new Error('no fault', { cause: fault })
  return fault
}

describe('a backup', () => {
  test('is a file of root alone, with the rows of every table, and leaves no trial database', async () => {
    const { file, bytes, rows } = await saveDatabase(node.dump, 1, never)
    expect(file).toMatch(/^ostler-\d{8}T\d{6}Z-1\.dump$/)
    const { mode, uid, size } = statSync(join(node.dump.folder, file))
    expect([mode & 0o777, uid, size]).toEqual([0o600, 0, bytes])
    expect(statSync(node.dump.folder).mode & 0o777).toBe(0o700)
    expect(rows).toBeGreaterThan(10)
    expect(files()).toEqual([file])
    expect(await databases()).toEqual(['ostler', 'postgres', 'template0', 'template1'])
  })

  test('is of one moment, whatever is written meanwhile', async () => {
    const end = new AbortController()
    const writer = (async () => {
      for (let number = 0; !end.signal.aborted; number++) await addTenant(db, `during-${number}`)
      return true
    })()
    const { file } = await saveDatabase(node.dump, 2, never).finally(() => end.abort())
    expect(await writer).toBe(true)
    expect(files()).toContain(file)
  })

  test('that differs when it is restored is not kept, and says in which table', async () => {
    const before = files()
    await node.sql(
      `CREATE FUNCTION ostler.here() RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT current_database()::text';
       CREATE TABLE ostler.wandering (n int, place text GENERATED ALWAYS AS (ostler.here()) STORED);
       INSERT INTO ostler.wandering VALUES (1)`,
    )
    try {
      const fault = await faultOf(saveDatabase(node.dump, 3, never))
      expect([fault.code, fault.message]).toEqual(['backup.differs', expect.stringContaining('in wandering')])
    } finally {
      await node.sql('DROP TABLE ostler.wandering; DROP FUNCTION ostler.here()')
    }
    expect(files()).toEqual(before)
    expect(await databases()).not.toContainEqual(expect.stringMatching(/trial/))
  })

  test('that cannot be restored is not kept', async () => {
    const before = files()
    await node.sql(
      `CREATE TABLE ostler.homesick (n int CHECK (current_database() = 'ostler')); INSERT INTO ostler.homesick VALUES (1)`,
    )
    try {
      const fault = await faultOf(saveDatabase(node.dump, 4, never))
      expect(fault.code).toBe('backup.failed')
      expect(fault.message).toContain('homesick')
    } finally {
      await node.sql('DROP TABLE ostler.homesick')
    }
    expect(files()).toEqual(before)
  })

  test('that is told to end leaves nothing', async () => {
    const before = files()
    const end = new AbortController()
    const saving = faultOf(saveDatabase(node.dump, 5, end.signal))
    end.abort()
    expect((await saving).code).toBe('backup.failed')
    expect(files()).toEqual(before)
    expect(await databases()).not.toContainEqual(expect.stringMatching(/trial/))
  })

  test('clears away what a crash of an earlier one left', async () => {
    writeFileSync(join(node.dump.folder, 'ostler-20200101T000000Z-9.dump.draft'), 'half')
    await node.sql('CREATE DATABASE ostler_trial_left')
    await saveDatabase(node.dump, 6, never)
    expect(files().filter((name) => name.endsWith('.draft'))).toEqual([])
    expect(await databases()).not.toContain('ostler_trial_left')
  })

  test('takes the place of the oldest, and of no file that is not named like one', async () => {
    const folder = join(node.folder, 'few')
    mkdirSync(folder)
    for (const [index, name] of [
      'ostler-20200101T000000Z-1.dump',
      'ostler-20200102T000000Z-2.dump',
    ].entries()) {
      writeFileSync(join(folder, name), '')
      utimesSync(join(folder, name), index, index)
    }
    writeFileSync(join(folder, 'mine.dump'), '')
    const { file } = await saveDatabase({ ...node.dump, folder, keep: 2 }, 7, never)
    expect(readdirSync(folder).sort()).toEqual(['mine.dump', 'ostler-20200102T000000Z-2.dump', file])
  })

  test('is not begun where there is no room for it, and none is removed for it', async () => {
    const folder = join(node.folder, 'small')
    mkdirSync(folder)
    await run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'none', folder])
    try {
      writeFileSync(join(folder, 'ostler-20200101T000000Z-1.dump'), '')
      const fault = await faultOf(saveDatabase({ ...node.dump, folder, keep: 1 }, 8, never))
      expect(fault.code).toBe('backup.noSpace')
      expect(fault.message).toMatch(/needs \d+ MB in .*small, and [78] MB are free/)
      expect(readdirSync(folder)).toEqual(['ostler-20200101T000000Z-1.dump'])
    } finally {
      await run('umount', [folder])
    }
  })
})

describe('hkd', () => {
  const made: BackupMade = { file: 'x.dump', bytes: 5, rows: 2 }
  const keeper = (save: (number: number) => Promise<BackupMade>): BackupKeeper =>
    new BackupKeeper({ db, save, at: () => undefined, log: silentLog })

  test('makes one backup for all who have asked, and writes down what came of it', async () => {
    const asked = [await askForBackup(db, 'one'), await askForBackup(db, 'other')]
    const calls: number[] = []
    await using _ = keeper(async (number) => (calls.push(number), made))
    for (const id of asked)
      await until('the backup', async () => (await findBackup(db, id)).file === 'x.dump')
    expect(calls).toEqual([asked[1]])
    expect((await listBackups(db))[0]).toMatchObject({ by: 'other', bytes: 5, rows: 2, fault: null })
  })

  test('writes down why there is none, and that stays to be seen', async () => {
    const id = await askForBackup(db, 'unlucky')
    await using _ = keeper(() => Promise.reject(new Fault('backup.differs', { tables: 'users' })))
    await until('its end', async () => (await findBackup(db, id)).ended)
    expect((await listBackups(db))[0]?.fault).toMatch(/differs from the database in users/)
  })

  test('closes those that it was at when it was killed', async () => {
    const id = await askForBackup(db, 'crash')
    expect(await takeBackups(db)).toEqual([id])
    await using _ = keeper(() => Promise.resolve(made))
    await until('its end', async () => (await findBackup(db, id)).ended)
    expect(await findBackup(db, id)).toEqual({ ended: true, file: null, fault: 'hkd ended meanwhile' })
  })

  test('a backup has either a file or a reason', async () => {
    const id = await askForBackup(db, 'both')
    const both = { ...made, fault: 'x' }
    await expect(endBackups(db, [id], both)).rejects.toThrow(/check/)
    await takeBackups(db)
    await endBackups(db, [id], { fault: 'none' })
  })
})

describe('a backup restored onto a bare folder', () => {
  const NODE_KEY = 'state/node.key'
  let file: string
  beforeAll(async () => {
    await addTenant(db, 'kept')
    file = join(node.dump.folder, (await saveDatabase(node.dump, 100, never)).file)
  })

  /** A node of another folder, with or without the first one's key. */
  async function other(withKey: boolean): Promise<BareNode> {
    const second = makeBareNode()
    mkdirSync(join(second.folder, 'state'))
    if (withKey) await run('cp', ['-p', join(node.folder, NODE_KEY), join(second.folder, NODE_KEY)])
    return second
  }
  const tenants = async (from: Db): Promise<string[]> =>
    (await from.selectFrom('tenant').select('name').execute()).map(({ name }) => name)
  const certificate = async (from: Db): Promise<string> =>
    (await from.selectFrom('authority').select('certificate').executeTakeFirstOrThrow()).certificate

  test('with the node key it is the same installation', async () => {
    await using second = await other(true)
    await second.restore(file)
    const there = await second.up()
    expect(await tenants(there)).toContain('kept')
    expect(await certificate(there)).toBe(await certificate(db))
    await addTenant(there, 'new') // and it goes on
    const left = readdirSync(join(second.folder, 'state'))
    expect(left.sort()).toEqual(['node.key', 'postgres'])
  })

  test('without the node key it says so, changes nothing, and goes on with a new authority when told to', async () => {
    await using second = await other(false)
    const fault = await faultOf(second.restore(file))
    expect(fault.code).toBe('restore.nodeKey')
    expect(fault.message).toContain(join(second.folder, NODE_KEY))
    expect(existsSync(second.data)).toBe(false)
    await second.restore(file, true)
    const there = await second.up()
    expect(await tenants(there)).toContain('kept')
    expect(await certificate(there)).not.toBe(await certificate(db))
  })

  test('never where there is a database', async () => {
    const before = await tenants(db)
    await node.down()
    try {
      expect((await faultOf(node.restore(file))).code).toBe('restore.notEmpty')
    } finally {
      db = await node.up()
    }
    expect(await tenants(db)).toEqual(before)
  })

  test.each([
    ['a file that is cut off', ['truncate', '--size=-2000']],
    ['a file that is no backup', ['truncate', '--size=10']],
  ])('%s changes nothing', async (_, [program = '', ...args]) => {
    await using second = await other(true)
    const bad = join(second.folder, 'bad.dump')
    await run('cp', [file, bad])
    await run(program, [...args, bad])
    const fault = await faultOf(second.restore(bad))
    expect(fault.code).toBe('restore.unusable')
    expect(readdirSync(join(second.folder, 'state'))).toEqual(['node.key'])
  })

  test('a file that is not there changes nothing', async () => {
    await using second = await other(true)
    const fault = await faultOf(second.restore('/nowhere/x.dump'))
    expect([fault.code, fault.message]).toEqual(['restore.unusable', expect.stringContaining('ENOENT')])
  })

  test('a backup of a newer Ostler changes nothing', async () => {
    await node.sql(`INSERT INTO ostler.kysely_migration VALUES ('9999-future', now()::text)`)
    try {
      const newer = join(node.dump.folder, (await saveDatabase(node.dump, 101, never)).file)
      await using second = await other(true)
      expect((await faultOf(second.restore(newer))).code).toBe('database.newer')
      expect(existsSync(second.data)).toBe(false)
    } finally {
      await node.sql(`DELETE FROM ostler.kysely_migration WHERE name = '9999-future'`)
    }
  })
})
