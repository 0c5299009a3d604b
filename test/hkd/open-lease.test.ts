import { silentLog } from '@ostler/kit/log.ts'
import { monotonicMs } from '@ostler/kit/monotonic.ts'
import { pidFileHolder } from '@ostler/kit/pid-file.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { isAlive, type ProcessIdentity, signalProcess } from '@ostler/kit/process-table.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { openTrust } from '@ostler/proxy/hkd/trust.ts'
import { FenceLink } from '@ostler/proxy/hypervisor/fence/fence-link.ts'
import { registerHost } from '@ostler/proxy/store/hosts.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { openLease } from '@ostler/proxy/wiring/host-lease.ts'
import { loadNodeConfig } from '@ostler/proxy/wiring/node-config.ts'
import { fencePidFile, fenceSocket } from '@ostler/proxy/wiring/node-parts.ts'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { until } from '../fixtures/world.ts'

/** How hkd brings its node into service and out of it, with the fence that it starts itself. */
const PATIENCE_MS = 120_000
const folder = mkdtempSync(join(tmpdir(), 'ostler-open-lease-'))
const configFile = join(folder, 'node.conf')
const name = `opened${process.pid}`
writeFileSync(
  configFile,
  [
    `nodename = ${name}`,
    `path.run = ${folder}/run`,
    `path.log = ${folder}/log`,
    `log.filename = ${folder}/fence.log`,
    `internal.vm.name.prefix = ${name}-`,
    `vm.network.bridge = ob${process.pid}`,
    'hkd.peer.address = 127.0.0.1',
    `hkd.peer.port = ${20_000 + (process.pid % 20_000)}`,
  ].join('\n'),
)
const config = loadNodeConfig(configFile).values
const link = new FenceLink(fenceSocket(config))

let database: TestDatabase
let db: Db

beforeAll(async () => {
  database = await openTestDatabase()
  db = database.as('hkd')
})
afterAll(async () => {
  const fence = fenceNow()
  if (fence !== undefined) {
    signalProcess(fence, 'SIGTERM')
    await comesToHold(() => !isAlive(fence), PATIENCE_MS, 20)
  }
  await database[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

const fenceNow = (): ProcessIdentity | undefined => pidFileHolder(fencePidFile(config))
const rowOf = async () =>
  await db
    .selectFrom('host')
    .select(['state', 'standing', 'peer_address as address', 'peer_port as port'])
    .where('name', '=', name)
    .executeTakeFirstOrThrow()

async function open(scope: Scope) {
  const trust = await openTrust(db, join(folder, 'node.key'))
  const hostId = await registerHost(db, name, 10_000, 6)
  return await openLease(
    {
      ...{ config, configFile, db, address: database.address('hkd'), hostId, trust, log: silentLog },
      fenceProgram: join(import.meta.dirname, '../../proxy/src/bin/fence.ts'),
      onTick: () => {},
    },
    scope,
  )
}

test('a node comes into service behind a fence of its own, which outlives hkd, and which hkd replaces', async () => {
  const first = new Scope()
  const keeper = await open(first)
  expect(keeper.mayRun).toBe(true)
  const came = await rowOf()
  expect(came).toMatchObject({ state: 'starting', address: '127.0.0.1', port: config['hkd.peer.port'] })
  const fence = fenceNow()
  if (fence === undefined) throw new Error('no fence has been started')
  // Whatever ends the group in which we were started must not end it.
  expect(readFileSync(`/proc/${fence.pid}/cgroup`, 'utf8')).toContain('ostler-apart')
  // Nobody else is in service, so there is no end.
  expect((await link.look()).until).toBeNull()
  await db
    .insertInto('host')
    .values({
      name: 'other',
      memory_mb: 1,
      standing: 1_000,
      state: 'running',
      seen_at: new Date(Date.now() + 3_600_000),
    })
    .execute()
  await db.selectNoFrom((eb) => eb.fn('nextval', [eb.val('ostler.standing')]).as('next')).execute()
  const hasEnd = async (): Promise<boolean> =>
    await link.look().then(
      ({ until: end, closed }) => end !== null && end > monotonicMs() && !closed,
      () => false,
    )
  await until('an end, since somebody else could have the desktops', hasEnd, PATIENCE_MS)
  signalProcess(fence, 'SIGKILL')
  await until('another fence', () => (fenceNow()?.pid ?? fence.pid) !== fence.pid, PATIENCE_MS)
  await until('that one to know', hasEnd, PATIENCE_MS)
  const next = fenceNow()
  await first.close()
  expect(await rowOf()).toMatchObject({ state: 'stopped', standing: came.standing })
  expect((await link.look()).until).toBeNull()
  const second = new Scope()
  await open(second)
  expect(fenceNow()).toEqual(next)
  expect(Number((await rowOf()).standing)).toBeGreaterThan(Number(came.standing))
  await second.close()
}, 300_000)
