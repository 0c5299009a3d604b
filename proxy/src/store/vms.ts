import type { DisplayKind } from '@ostler/contract/identity.ts'
import type { TimelineStep } from '@ostler/contract/timeline.ts'
import { sql } from 'kysely'
import type { DiskImageKind } from '../model/disk-image.ts'
import type { ExpiryFacts } from '../model/expiry.ts'
import type { Home } from '../model/home.ts'
import { AT_REST } from '../model/start-queue.ts'
import type { FlavourHypervisor, HypervisorKind } from '../model/hypervisor-kind.ts'
import type { DiskRates } from '../model/disk-rates.ts'
import type { NetworkRates } from '../model/network-rates.ts'
import type { OverlayKind } from '../model/overlay.ts'
import type { VmEvent, VmState } from '../model/vm-machine.ts'
import { ONE_TIME_WISHES, RESET_WISH, type Wish, type WishKind } from '../model/wish.ts'
import type { AgentVerdict } from '../model/agent-verdict.ts'
import { userOfDesktop } from './desktop-user.ts'
import { freeHome, homeOfVm } from './homes.ts'
import type { Db } from './open.ts'
import { prepared } from './prepared.ts'
import { transact } from './transact.ts'

/** A desktop as the door and the lists see it. */
export interface VmRow {
  readonly id: number
  readonly name: string
  readonly ownerId: number
  /** The owner's. */
  readonly tenantId: number
  readonly flavourName: string
  readonly blocked: boolean
  readonly isApplication: boolean
  /** How it can be seen. */
  readonly displays: readonly DisplayKind[]
  readonly state: VmState
  readonly epoch: number
  readonly hostId: number | null
  readonly address: string
  /** Where its agent is reached (model/agent-at.ts); null: at its address. */
  readonly agentAt: string | null
  readonly fault: string | null
  /** What runs its present boot, or ran its last one. */
  readonly hypervisor: HypervisorKind | null
  readonly poolId: number | null
  /** What users read while it, its flavour, its user or its node is looked after; null: it is open. */
  readonly maintenance: string | null
}

/** What hkd needs to run a desktop. */
export interface VmPlan extends VmRow {
  readonly ageMs: number
  readonly held: string | null
  readonly login: string
  readonly flavour: {
    readonly id: number
    readonly name: string
    readonly memoryMb: number
    readonly cpuPercent: number
    readonly hypervisor: FlavourHypervisor | null
    readonly homeMb: number
    readonly rates: NetworkRates
    readonly diskRates: DiskRates
  }
  readonly overlay: OverlayKind
  /** What its tag stands for; `null` when its flavour has no image with it, or only a blocked one. */
  readonly image: {
    readonly id: number
    readonly name: string
    readonly kind: DiskImageKind
    readonly path: string
  } | null
  readonly tag: string
  /** What its present boot writes to; null at rest. */
  readonly home: Home | null
  readonly expiry: ExpiryFacts & {
    /** ISO 8601. */
    readonly soft: string | null
    readonly hard: string | null
  }
  readonly wishes: readonly Wish[]
  /** Starts in a row that failed, and how long until one is tried again by itself. */
  readonly failures: number
  readonly nextTryInMs: number | null
  readonly nextTryAt: Date | null
  /** An administrator takes back that it failed. */
  readonly resetAsked: boolean
  readonly agentVerdict: AgentVerdict | null
  readonly faultCode: string | null
  readonly faultCure: string | null
  /** Somebody sits at it, and a living door carries her display. */
  readonly seated: boolean
}

const COLUMNS = [
  'vm.id',
  'vm.name',
  'users.id as ownerId',
  'users.tenant_id as tenantId',
  'flavour.name as flavourName',
  'vm.blocked',
  'flavour.is_application as isApplication',
  'flavour.displays',
  'vm.state',
  'vm.epoch',
  'vm.host_id as hostId',
  'vm.address',
  'vm.agent_at as agentAt',
  'vm.fault',
  'vm.hypervisor',
  'vm.pool_id as poolId',
] as const

/** Needs `ostler.vm`, and its `flavour` and `users`. */
const maintenanceOfDesktop = sql<string | null>`
  coalesce(vm.maintenance, flavour.maintenance, users.maintenance,
    (SELECT host.maintenance FROM ostler.host WHERE host.id = vm.host_id))`

function vmRows(db: Db) {
  return db
    .selectFrom('vm')
    .innerJoin('users', (join) => join.on('users.id', '=', userOfDesktop))
    .innerJoin('flavour', 'flavour.id', 'vm.flavour_id')
    .select(COLUMNS)
    .select(maintenanceOfDesktop.as('maintenance'))
}

const vmById = prepared<{ id: number }, VmRow>((db, { id }) => vmRows(db).where('vm.id', '=', id))

export async function findVm(db: Db, id: number): Promise<VmRow | undefined> {
  return (await vmById(db, { id })).rows[0]
}

export async function listVms(db: Db, ownerId?: number): Promise<VmRow[]> {
  const all = vmRows(db).orderBy('vm.id')
  return await (ownerId === undefined ? all : all.where(userOfDesktop, '=', ownerId)).execute()
}

/** How many desktops of a node are in each state; those that nobody is in are not there. */
export async function countDesktops(db: Db, hostId: number): Promise<Partial<Record<VmState, number>>> {
  const { rows } = await sql<{ state: VmState; count: number }>`
    SELECT state, count(*)::int AS count FROM ostler.vm WHERE host_id = ${hostId} GROUP BY state`.execute(db)
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]))
}

/** A desktop that a node may have to look at. */
export interface VmToStep {
  readonly id: number
  readonly state: VmState
  readonly epoch: number
  /** No row says that anything is to be done about it. */
  readonly isServed: boolean
}

/** The desktops that a node may have to look at: its own, and those that are wished for and nobody's. */
export async function vmsToStep(db: Db, hostId: number): Promise<VmToStep[]> {
  // Written so that each half goes by an index: most desktops are at rest, and most of those that are not have no wish.
  const { rows } = await sql<VmToStep>`
    WITH wished AS (
      SELECT DISTINCT vm_id FROM ostler.wish
      WHERE closed_at IS NULL AND (expires_at IS NULL OR expires_at > now()))
    SELECT id, state, epoch, wished.vm_id IS NULL AND expire_soft IS NULL AND expire_hard IS NULL AS "isServed"
    FROM ostler.vm LEFT JOIN wished ON wished.vm_id = vm.id
    WHERE host_id = ${hostId}
    UNION ALL
    SELECT id, state, epoch, false FROM wished JOIN ostler.vm ON vm.id = vm_id WHERE host_id IS NULL`.execute(
    db,
  )
  return rows
}

/** Everything about one desktop that a step needs, read in one statement. */
export async function planVm(db: Db, id: number): Promise<VmPlan | undefined> {
  const { rows } = await sql<VmPlan>`
    SELECT vm.id, vm.name, users.id AS "ownerId", users.tenant_id AS "tenantId",
      flavour.name AS "flavourName", vm.blocked,
      flavour.is_application AS "isApplication", flavour.displays, vm.state, vm.epoch, vm.host_id AS "hostId",
      vm.address, vm.agent_at AS "agentAt", vm.fault, vm.held, vm.hypervisor,
      (extract(epoch FROM clock_timestamp() - vm.state_since) * 1000)::float8 AS "ageMs",
      users.login,
      json_build_object('id', flavour.id, 'name', flavour.name, 'memoryMb', flavour.memory_mb,
        'cpuPercent', flavour.cpu_percent, 'hypervisor', flavour.hypervisor, 'homeMb', flavour.home_mb,
        'rates', json_build_object('inKbit', flavour.net_in_kbit, 'outKbit', flavour.net_out_kbit),
        'diskRates', json_build_object('iops', flavour.disk_iops, 'kbytes', flavour.disk_kbytes)) AS flavour,
      flavour.overlay, vm.pool_id AS "poolId", ${maintenanceOfDesktop} AS maintenance,
      vm.di_tag AS tag, ${homeOfVm} AS home,
      (SELECT json_build_object('id', id, 'name', name, 'kind', kind, 'path', path)
        FROM ostler.disk_image WHERE NOT disk_image.blocked AND id = coalesce(vm.image_pin,
          (SELECT disk_image_id FROM ostler.image_tag WHERE flavour_id = flavour.id AND tag = vm.di_tag))) AS image,
      json_build_object('soft', vm.expire_soft, 'hard', vm.expire_hard,
        'softInMs', extract(epoch FROM vm.expire_soft - clock_timestamp()) * 1000,
        'hardInMs', extract(epoch FROM vm.expire_hard - clock_timestamp()) * 1000,
        'toldAgoMs', extract(epoch FROM clock_timestamp() - vm.expiry_told_at) * 1000) AS expiry,
      coalesce((SELECT json_agg(json_build_object('number', number, 'kind', kind, 'by', by, 'reason', reason,
        'at', at, 'connection', connection, 'interactive', interactive, 'persistent', persistent))
        FROM ostler.wish WHERE vm_id = vm.id AND closed_at IS NULL AND kind <> ${RESET_WISH}
          AND (expires_at IS NULL OR expires_at > now())), '[]') AS wishes,
      vm.failures, (extract(epoch FROM vm.next_try_at - clock_timestamp()) * 1000)::float8 AS "nextTryInMs",
      vm.next_try_at AS "nextTryAt",
      EXISTS (SELECT FROM ostler.wish WHERE vm_id = vm.id AND closed_at IS NULL AND kind = ${RESET_WISH})
        AS "resetAsked",
      vm.agent_verdict AS "agentVerdict", vm.fault_code AS "faultCode", vm.fault_cure AS "faultCure",
      EXISTS (SELECT FROM ostler.seat WHERE vm_id = vm.id AND state = 'connected' AND lease_until > now())
        AS seated
    FROM ostler.vm JOIN ostler.users ON users.id = ${userOfDesktop}
      JOIN ostler.flavour ON flavour.id = vm.flavour_id
    WHERE vm.id = ${id}`.execute(db)
  return rows[0]
}

/** What went wrong, as it is kept: a sentence, and the code and the cure of what has them. */
export interface Trouble {
  readonly text: string
  readonly code: string | null
  readonly cure: string | null
}

/** A step in the life of a desktop, as it is written. */
export interface Transition {
  readonly vm: { readonly id: number; readonly state: VmState; readonly epoch: number }
  readonly event: VmEvent
  readonly to: VmState
  /** The node that has it from now on; left alone when not given. */
  readonly hostId?: number | null
  /** What the boot that begins runs. */
  readonly imageId?: number
  /** What went wrong; null: nothing any more. */
  readonly fault?: Trouble | null
  /** The end of what the boot that ends has said on its console. */
  readonly console?: string
  /** How long a desktop that failed waits until it is started by itself. */
  readonly retryInMs?: number
  /** An administrator has asked for it: what failed before counts no more. */
  readonly asked?: boolean
  /** Where the agent of this boot is reached; left alone when not given. */
  readonly agentAt?: string | null
  /** What runs the boot that begins with this. */
  readonly hypervisor?: HypervisorKind
  /** Steps of the start's timeline that are reached by this. */
  readonly steps?: readonly TimelineStep[]
  /** When the start was wished for. */
  readonly queuedAt?: string
  /** A wish to run again at once, after a stop that was no user's. */
  readonly again?: { readonly by: string; readonly reason: string }
  /** Wishes that this serves: all of one goal up to a number, with what came of them. */
  readonly serves?: Served
}

/** Wishes of one goal that are answered, with what came of them. */
interface Served {
  readonly goal: 'up' | 'down'
  readonly outcome: string
  /** Those that outlive a start that failed are not answered by this. */
  readonly keepsPersistent?: boolean
}

/**
 * Moves a desktop if it still is where the caller saw it, with its log line, timeline and wishes, in one
 * transaction. A new boot (`preparing`) gets a new epoch.
 *
 * @returns the new epoch, or `undefined` when somebody else has moved it: look again.
 */
export async function moveVm(db: Db, move: Transition): Promise<number | undefined> {
  return await transact(db, (tx) => moveIn(tx, move))
}

const NO_AGENT = { agent_verdict: null, agent_said: null, agent_since: null }

function faultColumns(fault: Trouble | null) {
  return {
    fault: fault?.text ?? null,
    fault_code: fault?.code ?? null,
    fault_cure: fault?.cure ?? null,
  }
}

/** Failures in a row are counted until it runs, or until somebody says that they count no more. */
function failureColumns({ to, asked, retryInMs }: Transition) {
  if (to === 'running' || asked === true) return { failures: 0, next_try_at: null }
  if (to !== 'failed') return {}
  const seconds = (retryInMs ?? 0) / 1_000
  return {
    failures: sql<number>`vm.failures + 1`,
    next_try_at: sql<Date>`clock_timestamp() + make_interval(secs => ${seconds})`,
  }
}

const NEVER_EXPIRES = { expire_soft: null, expire_hard: null, expiry_told_at: null }

async function moveIn(tx: Db, move: Transition): Promise<number | undefined> {
  const { vm, event, to } = move
  const row = await tx
    .updateTable('vm')
    .set((eb) => ({
      prior: vm.state,
      state: to,
      state_since: sql<Date>`clock_timestamp()`,
      epoch: to === 'preparing' ? eb('epoch', '+', 1) : eb.ref('epoch'),
      ...(move.hostId === undefined ? {} : { host_id: move.hostId }),
      ...(to === 'preparing' ? { held: null } : {}),
      ...(move.fault === undefined ? {} : faultColumns(move.fault)),
      ...failureColumns(move),
      // What was seen of an agent was seen of that boot's.
      ...(to === 'preparing' || AT_REST.includes(to) ? NO_AGENT : {}),
      ...(move.imageId === undefined ? {} : { disk_image_id: move.imageId }),
      ...(AT_REST.includes(to) ? { disk_image_id: null } : {}),
      // Whatever was to expire is another boot's from here on (C-107).
      ...(to === 'preparing' || AT_REST.includes(to) ? NEVER_EXPIRES : {}),
      ...(move.agentAt === undefined ? {} : { agent_at: move.agentAt }),
      ...(move.hypervisor === undefined ? {} : { hypervisor: move.hypervisor, warning: null }),
    }))
    .where('id', '=', vm.id)
    .where('state', '=', vm.state)
    .where('epoch', '=', vm.epoch)
    .returning(['epoch', 'fault', 'fault_code', 'fault_cure', 'disk_image_id'])
    .executeTakeFirst()
  if (row === undefined) return undefined
  await tx
    .insertInto('vm_log')
    .values({ vm_id: vm.id, event, prior: vm.state, state: to, console: move.console ?? null, ...row })
    .execute()
  if (AT_REST.includes(to)) await freeHome(tx, vm.id)
  if (move.queuedAt !== undefined) await reachStep(tx, vm.id, row.epoch, 'queued', move.queuedAt)
  for (const step of move.steps ?? []) await reachStep(tx, vm.id, row.epoch, step)
  if (move.serves !== undefined) await closeWishes(tx, vm.id, move.serves)
  if (move.again !== undefined)
    await tx
      .insertInto('wish')
      .values({ vm_id: vm.id, kind: 'run', persistent: true, ...move.again })
      .execute()
  if (move.asked === true) await closeResets(tx, vm.id)
  await sql`SELECT pg_notify('ostler_vm', ${String(vm.id)})`.execute(tx)
  return row.epoch
}

/** Closes the one-time wishes of a goal that a desktop has reached already. */
export async function serveWishes(
  db: Db,
  vmId: number,
  goal: 'up' | 'down',
  outcome: string,
  keepsPersistent = false,
): Promise<void> {
  await closeWishes(db, vmId, { goal, outcome, keepsPersistent })
  await sql`SELECT pg_notify('ostler_vm', ${String(vmId)})`.execute(db)
}

/** Closes one-time wishes; a served stop also ends the wishes to run that are older than it. */
async function closeWishes(db: Db, vmId: number, serves: Served): Promise<void> {
  const newest = await db
    .selectFrom('wish')
    .select((eb) => eb.fn.max('number').as('number'))
    .where('vm_id', '=', vmId)
    .where('closed_at', 'is', null)
    .where('kind', 'in', ONE_TIME_WISHES[serves.goal])
    .executeTakeFirst()
  if (newest?.number === undefined) return
  await db
    .updateTable('wish')
    .set({ closed_at: sql<Date>`now()`, outcome: serves.outcome })
    .where('vm_id', '=', vmId)
    .where('closed_at', 'is', null)
    .where('number', '<=', newest.number)
    .$if(serves.keepsPersistent === true, (query) =>
      query.where('kind', '<>', 'spare').where('persistent', '=', false),
    )
    .where(
      'kind',
      'in',
      serves.goal === 'up' ? ONE_TIME_WISHES.up : [...ONE_TIME_WISHES.up, ...ONE_TIME_WISHES.down],
    )
    .execute()
}

/** Answers an administrator who says that a desktop is to be tried anew: what failed before counts no more. */
export async function forgetFailures(db: Db, vmId: number): Promise<void> {
  await transact(db, async (tx) => {
    await tx.updateTable('vm').set({ failures: 0, next_try_at: null }).where('id', '=', vmId).execute()
    await closeResets(tx, vmId)
  })
}

async function closeResets(db: Db, vmId: number): Promise<void> {
  await db
    .updateTable('wish')
    .set({ closed_at: sql<Date>`now()`, outcome: 'it may start again' })
    .where('vm_id', '=', vmId)
    .where('closed_at', 'is', null)
    .where('kind', '=', RESET_WISH)
    .execute()
}

/** Writes down what an administrator should know about a boot. */
export async function warnOfVm(db: Db, vm: { id: number; epoch: number }, warning: string): Promise<void> {
  await db.updateTable('vm').set({ warning }).where('id', '=', vm.id).where('epoch', '=', vm.epoch).execute()
}

/** Adds a wish, hints at it, and returns its number. */
export async function addWish(
  db: Db,
  wish: {
    vmId: number
    kind: WishKind | typeof RESET_WISH
    by: string
    reason: string
    connection?: string | undefined
  },
): Promise<number> {
  const { rows } = await sql<{ number: number }>`
    WITH added AS (
      INSERT INTO ostler.wish (vm_id, kind, by, reason, connection)
      VALUES (${wish.vmId}, ${wish.kind}, ${wish.by}, ${wish.reason}, ${wish.connection ?? null})
      RETURNING vm_id, number)
    SELECT number, pg_notify('ostler_vm', vm_id::text) FROM added`.execute(db)
  return rows[0]?.number ?? 0
}

/** What came of a wish; `undefined` while it is open. */
export async function wishOutcome(db: Db, number: number): Promise<string | undefined> {
  const row = await db
    .selectFrom('wish')
    .select(['closed_at', 'outcome'])
    .where('number', '=', number)
    .executeTakeFirst()
  return row?.closed_at == null ? undefined : (row.outcome ?? '')
}

/** Records that a start reached a step; the first time counts. */
export async function reachStep(
  db: Db,
  vmId: number,
  epoch: number,
  step: TimelineStep,
  at?: string,
): Promise<void> {
  await sql`
    INSERT INTO ostler.timeline (vm_id, epoch, step, at)
    VALUES (${vmId}, ${epoch}, ${step}, coalesce(${at ?? null}::timestamptz, clock_timestamp()))
    ON CONFLICT DO NOTHING`.execute(db)
}

/** The timeline of a desktop's present boot, in order of time, with the number of that boot. */
export async function readTimeline(
  db: Db,
  vmId: number,
): Promise<{ step: TimelineStep; at: Date; epoch: number }[]> {
  return await db
    .selectFrom('timeline')
    .innerJoin('vm', 'vm.id', 'timeline.vm_id')
    .select(['timeline.step', 'timeline.at', 'timeline.epoch'])
    .where('timeline.vm_id', '=', vmId)
    .whereRef('timeline.epoch', '=', 'vm.epoch')
    .orderBy('timeline.at')
    .execute()
}
