import { sql } from 'kysely'
import type { TimelineStep } from '@ostler/contract/timeline.ts'
import type { HostLoad, HostPlaces } from '../model/host.ts'
import { startOrder } from '../model/start-queue.ts'
import { claimHome, claimMadeHomes, type HomeInWay, type LookedAtHome, lookAtHomes } from './homes.ts'
import { hostLoads, ofUsers } from './hosts.ts'
import type { Db } from './open.ts'
import { readStartQueue } from './start-queue.ts'
import { transact } from './transact.ts'
import type { Transition } from './vms.ts'

/** Why a desktop could not be placed. */
export interface Refusal {
  readonly refusal: string
}

/** Its turn has not come: whoever is before it, or a place that is free on no node which could take it. */
export const NOT_YET = 'not yet'

/** The number of the boot; `undefined` when somebody else has moved the desktop: look again. */
export type Placed = number | undefined | Refusal | typeof NOT_YET

/** A desktop that is to start. */
export interface PlaceRequest {
  /** To `preparing`. */
  readonly move: Omit<Transition, 'hostId'>
  readonly memoryMb: number
  readonly userId: number
  /** Gets the nodes and says which one, or none. */
  readonly choose: (hosts: readonly HostLoad[]) => number | undefined
}

type Room = { -readonly [K in keyof HostPlaces]: HostPlaces[K] }
type Start = PlaceRequest['move'] & { readonly hostId: number }

/**
 * Places desktops that are to start and moves them to `preparing`, in one transaction that no other placing overlaps: what one start
 * takes of a node, or of a home, the next one sees, whether it is in the same transaction or not. The order of starts is kept.
 * The nodes, the queue and the homes are read once for all of them, and there is one hint.
 *
 * @param asking the node that places them.
 * @returns what became of each, in the order in which they were given.
 */
export async function placeVms(
  db: Db,
  requests: readonly PlaceRequest[],
  asking?: number,
): Promise<readonly Placed[]> {
  const became = await transact(db, async (tx) => {
    await sql`SELECT pg_advisory_xact_lock(hashtext('ostler.place'))`.execute(tx)
    return await placeIn(tx, requests, asking)
  })
  return requests.map(({ move }) => became.get(move.vm.id))
}

/** One of them. */
export async function placeVm(db: Db, request: PlaceRequest, asking?: number): Promise<Placed> {
  return (await placeVms(db, [request], asking))[0]
}

async function placeIn(
  tx: Db,
  requests: readonly PlaceRequest[],
  asking: number | undefined,
): Promise<ReadonlyMap<number, Placed>> {
  const ids = requests.map(({ move }) => move.vm.id)
  const homes = await lookAtHomes(tx, ids)
  const hosts: Room[] = await hostLoads(tx, asking)
  const free = hosts.reduce((sum, host) => sum + Math.max(0, host.startingMax - host.starting), 0)
  const order = startOrder(await readStartQueue(tx))
  const turns = new Map(order.map((id, index) => [id, index]))
  const turnOf = (id: number): number => turns.get(id) ?? Infinity
  const users = requests.map(({ userId }) => userId)
  const theirs = await ofUsers(tx, users)
  const became = new Map<number, Placed>()
  const starts: Start[] = []
  /** By home: who takes it in this transaction. */
  const takers = new Map<string, LookedAtHome>()
  const late: [number, LookedAtHome][] = []
  for (const request of requests.toSorted((a, b) => turnOf(a.move.vm.id) - turnOf(b.move.vm.id))) {
    const { id } = request.move.vm
    const home = homes.get(id)
    const taker = home === undefined ? undefined : takers.get(home.key)
    if (taker !== undefined) {
      late.push([id, taker])
      continue
    }
    const mine = theirs.get(request.userId) ?? new Map<number, number>()
    const found = placeOf(request, home, withUser(hosts, mine), turnOf(id) < free)
    became.set(id, isRoom(found) ? undefined : found)
    if (!isRoom(found)) continue
    found.usedMb += request.memoryMb
    found.desktops = (found.desktops ?? 0) + 1
    found.starting += 1
    theirs.set(request.userId, mine.set(found.id, (mine.get(found.id) ?? 0) + 1))
    if (home !== undefined) takers.set(home.key, home)
    starts.push({ ...request.move, hostId: found.id })
  }
  for (const [id, epoch] of await beginStarts(tx, starts)) became.set(id, epoch)
  await claimHomes(tx, starts, became)
  for (const [id, taker] of late)
    became.set(id, typeof became.get(taker.vmId) === 'number' ? shared(taker) : NOT_YET)
  return became
}

function isRoom(found: Room | Refusal | typeof NOT_YET): found is Room {
  return typeof found === 'object' && 'id' in found
}

function shared({ name }: LookedAtHome): Refusal {
  return { refusal: `desktop ${name} has the same home, and is preparing` }
}

/** Nodes with the number of a user's desktops that each has. Most have none. */
function withUser(hosts: readonly Room[], theirs: ReadonlyMap<number, number>): readonly Room[] {
  for (const host of hosts) host.ofUser = theirs.get(host.id) ?? 0
  return hosts
}

function placeOf(
  { choose }: PlaceRequest,
  home: HomeInWay | undefined,
  all: readonly Room[],
  isNext: boolean,
): Room | Refusal | typeof NOT_YET {
  if (home?.refusal !== undefined) return { refusal: home.refusal }
  const bound = home?.hostId ?? null
  const hosts = bound === null ? all : all.filter(({ id }) => id === bound)
  if (hosts.length === 0)
    return {
      refusal: bound === null ? 'no node takes desktops now' : 'the node with its home takes no desktops now',
    }
  const open = isNext ? hosts.filter(({ starting, startingMax }) => starting < startingMax) : []
  const chosen = open.length === 0 ? undefined : choose(open)
  const host = chosen === undefined ? undefined : open.find(({ id }) => id === chosen)
  if (host !== undefined) return host
  return choose(hosts) === undefined ? { refusal: 'no node has enough memory free' } : NOT_YET
}

/** What the statement below reads of each start. */
interface StartRow {
  readonly id: number
  readonly state: string
  readonly epoch: number
  readonly event: string
  readonly hostId: number
  readonly imageId: number | null
  readonly hypervisor: string | null
  readonly queuedAt: string | null
  readonly steps: readonly TimelineStep[]
}

/**
 * Begins the boots of all desktops that still are where they were seen: what `moveVm` does to each of them on the way to `preparing`.
 * @returns the number of each boot that begins.
 */
async function beginStarts(
  tx: Db,
  starts: readonly Start[],
): Promise<readonly (readonly [number, number])[]> {
  if (starts.length === 0) return []
  const asked: StartRow[] = starts.map(({ vm, event, hostId, imageId, hypervisor, queuedAt, steps }) => ({
    ...{ id: vm.id, state: vm.state, epoch: vm.epoch, event, hostId, steps: steps ?? [] },
    ...{ imageId: imageId ?? null, hypervisor: hypervisor ?? null, queuedAt: queuedAt ?? null },
  }))
  const { rows } = await sql<{ id: number; epoch: number }>`
    WITH asked AS (
      SELECT * FROM json_to_recordset(${JSON.stringify(asked)}::json) AS start (id int, state text, epoch int,
        event text, "hostId" int, "imageId" int, hypervisor text, "queuedAt" timestamptz, steps json)),
    moved AS (
      UPDATE ostler.vm SET prior = asked.state, state = 'preparing', state_since = clock_timestamp(),
        epoch = vm.epoch + 1, host_id = asked."hostId", held = NULL, fault = NULL, fault_code = NULL,
        fault_cure = NULL, agent_verdict = NULL, agent_said = NULL, agent_since = NULL, agent_at = NULL,
        disk_image_id = coalesce(asked."imageId", vm.disk_image_id),
        expire_soft = NULL, expire_hard = NULL, expiry_told_at = NULL,
        hypervisor = coalesce(asked.hypervisor, vm.hypervisor),
        warning = CASE WHEN asked.hypervisor IS NULL THEN vm.warning END
      FROM asked WHERE vm.id = asked.id AND vm.state = asked.state AND vm.epoch = asked.epoch
      RETURNING vm.id, vm.epoch, vm.disk_image_id, vm.prior, asked.event, asked."queuedAt", asked.steps),
    logged AS (
      INSERT INTO ostler.vm_log (vm_id, epoch, event, prior, state, disk_image_id)
      SELECT id, epoch, event, prior, 'preparing', disk_image_id FROM moved),
    timed AS (
      INSERT INTO ostler.timeline (vm_id, epoch, step, at)
      SELECT id, epoch, 'queued', "queuedAt" FROM moved WHERE "queuedAt" IS NOT NULL
      UNION ALL SELECT id, epoch, json_array_elements_text(steps), clock_timestamp() FROM moved
      ON CONFLICT DO NOTHING)
    SELECT id, epoch FROM moved`.execute(tx)
  const [first] = rows
  const hint = rows.length === 1 && first !== undefined ? String(first.id) : 'all'
  if (rows.length > 0) await sql`SELECT pg_notify('ostler_vm', ${hint})`.execute(tx)
  return rows.map(({ id, epoch }) => [id, epoch] as const)
}

/** A boot has the home of its desktop from its first moment on, or is none. Those whose home has no row yet are looked at one by one. */
async function claimHomes(
  tx: Db,
  starts: readonly Start[],
  became: ReadonlyMap<number, Placed>,
): Promise<void> {
  const boots = starts.flatMap(({ vm, hostId, hypervisor = 'lxc' }) => {
    const epoch = became.get(vm.id)
    return typeof epoch === 'number' ? [{ vmId: vm.id, epoch, hostId, hypervisor }] : []
  })
  const claimed = await claimMadeHomes(tx, boots)
  for (const boot of boots)
    if (!claimed.has(boot.vmId) && !(await claimHome(tx, boot)))
      throw new Error(`the home of desktop ${boot.vmId} was taken although its row was held`)
}
