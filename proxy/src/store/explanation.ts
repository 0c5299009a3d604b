import type { Explanation } from '@ostler/contract/admin-api.ts'
import { sql } from 'kysely'
import { explain, type ExplainFacts } from '../model/explain.ts'
import { startPlaces } from '../model/start-queue.ts'
import { RESET_WISH } from '../model/wish.ts'
import { readFailedStarts } from './failed-starts.ts'
import { userOfDesktop } from './desktop-user.ts'
import { homeTakenBy } from './homes.ts'
import type { Db } from './open.ts'
import { poolOfDesktop } from './pools.ts'
import { readSeat } from './seats.ts'
import { readHookResults } from './session-hooks.ts'
import { HOST_SILENT_SECONDS } from '../model/host.ts'
import { readStartQueue } from './start-queue.ts'
import { readTimeline } from './vms.ts'

/** Why a desktop is as it is: in words, and what they rest on. */
export async function explainDesktop(db: Db, id: number): Promise<Explanation> {
  const vm = await readDesktop(db, id)
  const wishes = await db
    .selectFrom('wish')
    .select(['kind', 'by', 'reason', 'at', 'outcome', 'connection'])
    .where('vm_id', '=', id)
    .orderBy('number', 'desc')
    .limit(10)
    .execute()
  const log = await db
    .selectFrom('vm_log')
    .select(['at', 'event', 'prior', 'state', 'fault'])
    .where('vm_id', '=', id)
    .orderBy('id', 'desc')
    .limit(20)
    .execute()
  const timeline = await readTimeline(db, id)
  const hooks = await readHookResults(db, id, 20)
  const seat = await readSeat(db, id)
  const { name, state, fault, di_tag: tag, running, next, hypervisor, warning } = vm
  const last = timeline.at(-1)
  const facts = await readFacts(db, vm)
  const because = explain({
    ...facts,
    seat: seat === undefined ? null : { label: seat.label, since: seat.since.toISOString() },
    step: last === undefined ? null : { step: last.step, at: last.at.toISOString() },
  })
  return {
    name,
    state,
    because,
    console: await lastConsole(db, id),
    kept: await readFailedStarts(db, id),
    fault,
    hypervisor,
    warning,
    image: { tag, next, running },
    expires: {
      soft: vm.expire_soft?.toISOString() ?? null,
      hard: vm.expire_hard?.toISOString() ?? null,
    },
    seat: seat === undefined ? null : { ...seat, since: seat.since.toISOString() },
    wishes: wishes.map((wish) => ({ ...wish, at: wish.at.toISOString() })),
    timeline: timeline.map(({ step, at }) => ({ step, at: at.toISOString() })),
    hooks: hooks.map((hook) => ({ ...hook, at: hook.at.toISOString() })),
    log: log.map((entry) => ({ ...entry, at: entry.at.toISOString() })),
  }
}

type Desktop = Awaited<ReturnType<typeof readDesktop>>

async function readDesktop(db: Db, id: number) {
  return await db
    .selectFrom('vm')
    .innerJoin('users', (join) => join.on('users.id', '=', userOfDesktop))
    .innerJoin('flavour', 'flavour.id', 'vm.flavour_id')
    .leftJoin('pool', 'pool.id', 'vm.pool_id')
    .innerJoin('tenant', 'tenant.id', 'users.tenant_id')
    .leftJoin('host', 'host.id', 'vm.host_id')
    .leftJoin('disk_image as running', 'running.id', 'vm.disk_image_id')
    .leftJoin('image_tag', (join) =>
      join.onRef('image_tag.flavour_id', '=', 'vm.flavour_id').onRef('tag', '=', 'vm.di_tag'),
    )
    .leftJoin('disk_image as next', (join) =>
      join.on('next.id', '=', sql<number>`coalesce(vm.image_pin, image_tag.disk_image_id)`),
    )
    .select([
      'vm.id',
      'vm.name',
      'vm.state',
      'state_since',
      'vm.di_tag',
      'running.name as running',
      'next.name as next',
    ])
    .select(['expire_soft', 'expire_hard', 'vm.hypervisor', 'warning', 'fault', 'fault_code', 'fault_cure'])
    .select(['failures', 'next_try_at', 'agent_verdict', 'agent_said', 'agent_since', 'host.name as host'])
    .select(['vm.blocked', 'users.blocked as userBlocked', 'tenant.blocked as tenantBlocked'])
    .select(['host.blocked as hostBlocked', 'next.blocked as imageBlocked'])
    .select(['vm.maintenance', 'users.maintenance as userMaintenance', 'host.maintenance as hostMaintenance'])
    .select(['flavour.maintenance as flavourMaintenance', 'pool.maintenance as poolMaintenance'])
    .where('vm.id', '=', id)
    .executeTakeFirstOrThrow()
}

/** What `explain` goes by, but for who sits there and how far the last start came. */
async function readFacts(db: Db, vm: Desktop): Promise<Omit<ExplainFacts, 'seat' | 'step'>> {
  const open = await db
    .selectFrom('wish')
    .select(['number', 'kind', 'by', 'reason', 'at', 'connection', 'interactive', 'persistent'])
    .where('vm_id', '=', vm.id)
    .where('closed_at', 'is', null)
    .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', sql<Date>`now()`)]))
    .orderBy('number')
    .execute()
  const places = startPlaces(await readStartQueue(db))
  const blocked = [
    ...(vm.blocked ? ['the desktop'] : []),
    ...(vm.userBlocked ? ['its user'] : []),
    ...(vm.tenantBlocked ? ['the tenant of its user'] : []),
    ...(vm.hostBlocked === true ? ['its node'] : []),
  ]
  const sentences = {
    'the desktop': vm.maintenance,
    'its user': vm.userMaintenance,
    'its flavour': vm.flavourMaintenance,
    'its pool': vm.poolMaintenance,
    'its node': vm.hostMaintenance,
  }
  const maintenance = Object.entries(sentences).flatMap(([what, said]) =>
    said === null ? [] : [{ what, said }],
  )
  return {
    name: vm.name,
    state: vm.state,
    since: vm.state_since.toISOString(),
    host: vm.host,
    wishes: open.flatMap(({ kind, at, ...wish }) =>
      kind === RESET_WISH ? [] : [{ ...wish, kind, at: at.toISOString() }],
    ),
    place: places.get(vm.id) ?? { kind: 'next' },
    image: { tag: vm.di_tag, next: vm.next, blocked: vm.imageBlocked ?? false },
    blocked,
    maintenance,
    pool: (await poolOfDesktop(db, vm.id)) ?? null,
    homeTakenBy: (await homeTakenBy(db, vm.id)) ?? null,
    nodes: await openNodes(db),
    failures: vm.failures,
    nextTryAt: vm.next_try_at?.toISOString() ?? null,
    fault: vm.fault === null ? null : { text: vm.fault, code: vm.fault_code, cure: vm.fault_cure },
    agent:
      vm.agent_verdict === null || vm.agent_since === null
        ? null
        : { verdict: vm.agent_verdict, said: vm.agent_said, since: vm.agent_since.toISOString() },
  }
}

/** How many nodes take desktops now. */
async function openNodes(db: Db): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    SELECT count(*)::int AS count FROM ostler.host WHERE state = 'running' AND NOT blocked AND maintenance IS NULL
      AND seen_at > now() - make_interval(secs => ${HOST_SILENT_SECONDS})`.execute(db)
  return rows[0]?.count ?? 0
}

/** The end of the console of the last boot that went wrong. */
async function lastConsole(db: Db, id: number): Promise<Explanation['console']> {
  const row = await db
    .selectFrom('vm_log')
    .select(['at', 'epoch', 'console'])
    .where('vm_id', '=', id)
    .where('console', 'is not', null)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row === undefined ? null : { boot: row.epoch, at: row.at.toISOString(), said: row.console ?? '' }
}
