import { leastLoaded } from '@ostler/proxy/balance/balancer.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { placeVms } from '@ostler/proxy/store/placing.ts'
import { sql } from 'kysely'
import { addTestFlavour } from '../../fixtures/database-rows.ts'
import { openTestDatabase } from '../../fixtures/database.ts'
import { print } from '../figures.ts'

const AT_ONCE = 500
const STARTS = 3_000
const EACH_HAS = 10

/** How many desktops are placed in a second on so many nodes, each of which has some already; and on a fifth of them. */
export async function benchPlacing(hosts: number): Promise<void> {
  for (const count of [Math.max(1, Math.floor(hosts / 5)), hosts]) {
    await using database = await openTestDatabase()
    await place(database.as('hkd'), count)
  }
}

async function place(db: Db, hosts: number): Promise<void> {
  const flavour = await addTestFlavour(db)
  await sql`
    INSERT INTO ostler.host (name, memory_mb, starting_max, state, seen_at)
    SELECT 'node' || n, 100000 + n % 7 * 10000, 20, 'running', now() + interval '1 hour' FROM generate_series(1, ${hosts}) n`.execute(
    db,
  )
  const desktops = hosts * EACH_HAS + STARTS
  await sql`
    INSERT INTO ostler.users (login, password) SELECT 'crowd' || n, '' FROM generate_series(1, ${desktops}) n`.execute(
    db,
  )
  await sql`
    INSERT INTO ostler.vm (name, user_id, flavour_id, address)
    SELECT login, id, ${flavour}, '10.' || id / 65536 || '.' || id / 256 % 256 || '.' || id % 256
    FROM ostler.users WHERE login LIKE 'crowd%'`.execute(db)
  await sql`
    INSERT INTO ostler.home (user_id, flavour_id, login, tenant, flavour, kind, path, limit_mb, made_at)
    SELECT user_id, flavour_id, vm.name, 'default', 'f', 'directory', vm.name, 0, now() FROM ostler.vm`.execute(
    db,
  )
  for (const state of ['preparing', 'booting', 'running'])
    await sql`
      UPDATE ostler.vm SET prior = state, state = ${state}, host_id = vm.id % ${hosts} + (SELECT min(id) FROM ostler.host)
      WHERE id > ${STARTS}`.execute(db)
  await sql`
    INSERT INTO ostler.wish (vm_id, kind, by, reason) SELECT id, 'run', 'bench', 'bench' FROM ostler.vm WHERE id <= ${STARTS}`.execute(
    db,
  )
  await sql`ANALYZE`.execute(db)
  const { rows } = await sql<{ id: number; userId: number }>`
    SELECT id, user_id AS "userId" FROM ostler.vm WHERE id <= ${STARTS} ORDER BY id`.execute(db)
  const began = performance.now()
  let placed = 0
  for (let from = 0; from < rows.length; from += AT_ONCE) {
    const results = await placeVms(
      db,
      rows.slice(from, from + AT_ONCE).map(({ id, userId }) => ({
        move: {
          ...{
            vm: { id, state: 'stopped', epoch: 0 },
            event: 'start',
            to: 'preparing',
            hypervisor: 'simulated',
          },
          ...{ steps: ['placed'], queuedAt: new Date().toISOString(), fault: null, agentAt: null },
        },
        ...{ memoryMb: 256, userId },
        choose: (all) => leastLoaded.choose(all, { memoryMb: 256 }),
      })),
    )
    placed += results.filter((result) => typeof result === 'number').length
  }
  const ms = performance.now() - began
  print(
    `  ${hosts} nodes with ${EACH_HAS} desktops each: ${placed} placed in ${(ms / 1_000).toFixed(2)} s, ` +
      `${((placed * 1_000) / ms).toFixed(0)} a second, ${AT_ONCE} at once`,
  )
}
