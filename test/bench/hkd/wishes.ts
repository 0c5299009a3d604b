import { Gate } from '@ostler/kit/gate.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { leastLoaded } from '@ostler/proxy/balance/balancer.ts'
import { HkdMetrics } from '@ostler/proxy/hkd/hkd-metrics.ts'
import { Housekeeper } from '@ostler/proxy/hkd/housekeeper.ts'
import { listenForHints } from '@ostler/proxy/store/hints.ts'
import { registerHost, setHostState } from '@ostler/proxy/store/hosts.ts'
import { addImage } from '@ostler/proxy/store/images.ts'
import { addWish } from '@ostler/proxy/store/vms.ts'
import { sql } from 'kysely'
import { setTimeout as sleep } from 'node:timers/promises'
import { addTestFlavour } from '../../fixtures/database-rows.ts'
import { openTestDatabase } from '../../fixtures/database.ts'
import { ScriptedHypervisor } from '../../fixtures/scripted-hypervisor.ts'

import { print } from '../figures.ts'

const SAMPLES = 300

/** From the moment a wish is written to the moment the driver is asked to boot, among so many desktops. */
export async function benchWishes(desktops: number): Promise<void> {
  await using database = await openTestDatabase()
  const db = database.as('hkd')
  const hostId = await registerHost(db, 'node', 100_000_000, 100)
  await setHostState(db, hostId, 'running')
  const flavour = await addTestFlavour(db)
  await addImage(db, { flavourId: flavour, name: 'plain', kind: 'tarball', path: '/srv/plain.tar' }, {})
  await sql`INSERT INTO ostler.users (login, password) SELECT 'crowd' || n, '' FROM generate_series(1, ${desktops}) n`.execute(
    db,
  )
  await sql`
    INSERT INTO ostler.vm (name, user_id, flavour_id, address)
    SELECT login, id, ${flavour}, '10.' || id / 65536 || '.' || id / 256 % 256 || '.' || id % 256
    FROM ostler.users WHERE login LIKE 'crowd%'`.execute(db)
  await sql`ANALYZE`.execute(db)
  const { rows } = await sql<{
    id: number
  }>`SELECT id FROM ostler.vm ORDER BY random() LIMIT ${SAMPLES}`.execute(db)
  const hypervisor = new ScriptedHypervisor()
  const nobody = (): never => {
    throw new Error('no desktop comes up here')
  }
  await using housekeeper = new Housekeeper({
    db,
    hostId,
    hypervisors: { usual: 'simulated', by: () => hypervisor },
    balancer: leastLoaded,
    trust: {
      get own(): never {
        return nobody()
      },
      signAgent: nobody,
      signConsole: nobody,
      issueDoorIdentity: nobody,
    },
    run: '/nowhere',
    displayUid: 0,
    homesShared: false,
    imageGate: new Gate(1, 100),
    patience: { attempts: 10, ms: 320_000 },
    retries: { firstMs: 60_000, longestMs: 60_000, failuresMax: 3 },
    remindMs: 3_600_000,
    metrics: new HkdMetrics(() => Promise.resolve({})),
    log: silentLog,
  })
  housekeeper.start()
  const look = (_: unknown, id: number | undefined): void =>
    id === undefined ? housekeeper.lookAtAll() : housekeeper.look(id)
  await using _hints = listenForHints(database.address('hkd'), ['ostler_vm'], look, silentLog)
  await sleep(500)
  const door = database.as('api')
  const took: number[] = []
  for (const { id } of rows) {
    const began = performance.now()
    await addWish(door, { vmId: id, kind: 'run', by: 'bench', reason: 'bench' })
    // Looked at as often as a timer allows: what is measured is shorter than a test's patience.
    if (!(await comesToHold(() => hypervisor.begun.at(-1) === id, 20_000, 1)))
      throw new Error('the driver was not asked')
    took.push(performance.now() - began)
    hypervisor.end(id)
    await sleep(5)
  }
  took.sort((a, b) => a - b)
  const at = (share: number): string => (took[Math.ceil(took.length * share) - 1] ?? NaN).toFixed(1)
  print(
    `  ${desktops} desktops: from a wish to the driver's boot p50 ${at(0.5)} p99 ${at(0.99)} max ${at(1)} ms (${took.length} starts)`,
  )
}
