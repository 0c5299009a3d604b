import { silentLog } from '@ostler/kit/log.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { bootstrapDatabase, ROLES } from '@ostler/proxy/store/bootstrap.ts'
import { type HintChannel, listenForHints } from '@ostler/proxy/store/hints.ts'
import { migrate } from '@ostler/proxy/store/migrate.ts'
import { type DatabaseAddress, openDatabase } from '@ostler/proxy/store/open.ts'
import { sql } from 'kysely'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { newestPrograms, startCluster } from '../fixtures/database.ts'
import { typedIn } from '../fixtures/guide.ts'
import { until } from '../fixtures/world.ts'

const TAKE_OVER_MS = 60_000

/** Types a block of the guide. @param hosts by the names that the guide gives them. */
function type(
  block: string,
  hosts: Readonly<Record<string, string>>,
  more: { uid?: number; PGDATA?: string } = {},
): string {
  const here = Object.entries(hosts).reduce(
    (text, [name, host]) => text.replaceAll(`host=${name}`, `host=${host}`),
    block,
  )
  const { uid = 0, ...environment } = more
  const env = {
    PATH: `${newestPrograms()}:/usr/bin:/bin`,
    PGUSER: 'postgres',
    ...environment,
  }
  return execFileSync('setpriv', [`--reuid=${uid}`, '--clear-groups', 'sh', '-euc', here], {
    encoding: 'utf8',
    cwd: '/',
    env,
    timeout: TAKE_OVER_MS,
  })
}

test('a standby made by the guide takes over: nothing that was committed is lost, and who speaks to the name goes on', async () => {
  const [role = '', copy = '', synchronous = '', promote = ''] = typedIn(
    'operate.md',
    'PostgreSQL with a standby',
  )
  const scope = new Scope()
  try {
    const folder = mkdtempSync(join(tmpdir(), 'ostler-standby-'))
    scope.defer(() => rmSync(folder, { recursive: true, force: true }))
    const name = join(folder, 'database')
    const db1 = await startCluster(scope)
    symlinkSync(db1, name)
    type(role, { db1 })
    const db2 = await startCluster(scope, {
      prepare: (data, { uid }) => {
        rmSync(data, { recursive: true })
        type(copy, { db1 }, { uid, PGDATA: data })
      },
    })
    expect(type(synchronous, { db1 })).toMatch(/db2 +\| (?:a?sync)/)
    await until('the standby to be in step', () => / sync\n/.test(type(synchronous, { db1 })))

    const address = (user: string): DatabaseAddress => ({ host: name, port: 5432, database: 'ostler', user })
    await bootstrapDatabase({ ...address('postgres'), database: 'postgres' }, 'ostler')
    const db = openDatabase(address(ROLES.hkd), silentLog)
    scope.defer(() => db.destroy())
    await migrate(db)
    const heard: (HintChannel | undefined)[] = []
    scope.own(
      listenForHints(address(ROLES.hkd), ['ostler_config'], (channel) => heard.push(channel), silentLog),
    )
    await until('the hints', () => heard.length > 0)

    let committed = 0
    const write = async (): Promise<void> => {
      await sql`INSERT INTO ostler.config (key, value) VALUES (${`test.${committed + 1}`}, 'x')`.execute(db)
      committed++
    }
    const writing = (async () => {
      for (;;) await write()
    })()
    await until('some rows', () => committed > 50)
    process.kill(Number(readFileSync(join(db1, 'data/postmaster.pid'), 'utf8').split('\n')[0]), 'SIGKILL')
    await expect(writing).rejects.toThrow()

    type(promote, { db2 })
    symlinkSync(db2, `${name}.new`)
    renameSync(`${name}.new`, name)
    const rows = async (): Promise<number> => {
      const { rows: keys } = await sql`SELECT key FROM ostler.config WHERE key LIKE 'test.%'`.execute(db)
      return keys.length
    }
    await until(
      'the pool to speak to the new server',
      () =>
        rows().then(
          () => true,
          () => false,
        ),
      TAKE_OVER_MS,
    )
    // The last one may be there without anybody having been told.
    expect([committed, committed + 1]).toContain(await rows())
    await until('the hints to be listened for again', () => heard.lastIndexOf(undefined) > 0, TAKE_OVER_MS)
    const before = heard.length
    await sql`SELECT pg_notify('ostler_config', '')`.execute(db)
    await until('a hint of the new server', () => heard.slice(before).includes('ostler_config'))
  } finally {
    await scope.close()
  }
})
