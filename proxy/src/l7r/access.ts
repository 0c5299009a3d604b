import { Fault } from '@ostler/contract/fault.ts'
import type { SignedIn } from '../auth/sign-in.ts'
import type { Circumstances, Grant, PolicyWish, Refusal, SessionGrant } from '../model/policy.ts'
import type { Db } from '../store/open.ts'
import { assignedDesktop, findPool, listPools, type PoolRow } from '../store/pools.ts'
import { findVm, listVms, type VmRow } from '../store/vms.ts'
import type { PolicyBook } from './policy-book.ts'
import { isEntitled } from './pool-desk.ts'

export interface AccessParts {
  readonly db: Db
  readonly policy: PolicyBook
}

/** Somebody at the door, and where she stands. */
export interface Visitor {
  readonly guest: SignedIn
  /** Her address, as text. */
  readonly address: string
}

/** What is in the list of somebody: a desktop, or a pool that stands for the one that she has or would get. */
export type ListedDesktop = Pick<VmRow, 'id' | 'name' | 'state' | 'blocked' | 'isApplication' | 'maintenance'>

/**
 * Finds a desktop for somebody who wants something of it. Writes nothing, unless `fromPool` does.
 * @param id of a desktop, or of a pool: then it is the one that she has of it.
 * @param fromPool gets her one where she has none.
 * @throws Fault `desktop.unknown`, `desktop.foreign`, `desktop.blocked`, `desktop.maintenance`, or `policy.refused` by the
 * rule's name.
 */
export async function requireAccess(
  parts: AccessParts,
  visitor: Visitor,
  id: number,
  wish: PolicyWish,
  fromPool: (pool: PoolRow) => Promise<number | undefined> = ({ id: poolId }) =>
    assignedDesktop(parts.db, poolId, visitor.guest.user.id),
): Promise<{ vm: VmRow; grant: SessionGrant }> {
  const named = await findVm(parts.db, id)
  const pool = await poolOf(parts, named?.poolId ?? (named === undefined ? id : null))
  if (named === undefined && pool === undefined) throw new Fault('desktop.unknown')
  if (pool !== undefined && !isEntitled(pool, visitor.guest)) throw new Fault('desktop.foreign')
  if (named !== undefined) return await requireDesktop(parts, visitor, named, wish)
  if (pool === undefined) throw new Fault('desktop.unknown')
  await requireAllowed(parts, visitor, asDesktop(pool, visitor), wish)
  const given = await fromPool(pool)
  const vm = given === undefined ? undefined : await findVm(parts.db, given)
  if (vm === undefined) throw new Fault('desktop.unknown')
  return await requireDesktop(parts, visitor, vm, wish)
}

/** The desktops and pools that somebody may see in her list. */
export async function desktopsOf(parts: AccessParts, visitor: Visitor): Promise<ListedDesktop[]> {
  const { user, tenant } = visitor.guest
  const [own, pools] = await Promise.all([listVms(parts.db, user.id), listPools(parts.db, tenant.id)])
  const pooled = pools
    .filter((pool) => isEntitled(pool, visitor.guest))
    .map((pool) => {
      const hers = own.find(({ poolId }) => poolId === pool.id)
      const maintenance = pool.maintenance ?? hers?.maintenance ?? null
      return { ...asDesktop(pool, visitor), ...hers, id: pool.id, name: pool.name, maintenance }
    })
  const seen: ListedDesktop[] = []
  for (const each of [...own.filter(({ poolId }) => poolId === null), ...pooled])
    if ((await decide(parts, visitor, each, { kind: 'list' })).allowed) seen.push(each)
  return seen
}

async function poolOf({ db }: AccessParts, id: number | null): Promise<PoolRow | undefined> {
  return id === null ? undefined : await findPool(db, id)
}

async function requireDesktop(
  parts: AccessParts,
  visitor: Visitor,
  vm: VmRow,
  wish: PolicyWish,
): Promise<{ vm: VmRow; grant: SessionGrant }> {
  return { vm, grant: await requireAllowed(parts, visitor, vm, wish) }
}

/** What policy is asked about, and what keeps everybody out. */
type Asked = Pick<VmRow, 'id' | 'name' | 'ownerId' | 'tenantId' | 'flavourName' | 'blocked' | 'maintenance'>

async function requireAllowed(
  parts: AccessParts,
  visitor: Visitor,
  desktop: Asked,
  wish: PolicyWish,
): Promise<SessionGrant> {
  const decision = await decide(parts, visitor, desktop, wish)
  if (!decision.allowed) throw new Fault(decision.code, decision.detail)
  if (wish.kind === 'open') requireOpen(desktop)
  return decision
}

/** @throws Fault `desktop.maintenance` with the sentence that was left for its users. */
export function requireOpen({ maintenance }: Pick<VmRow, 'maintenance'>): void {
  if (maintenance !== null) throw new Fault('desktop.maintenance', { said: maintenance })
}

/** A pool as somebody sees it who has no desktop of it yet. */
function asDesktop(pool: PoolRow, { guest }: Visitor): Asked & ListedDesktop {
  const { id, name, tenantId, flavourName, isApplication, maintenance } = pool
  const state = 'stopped' as const
  return {
    id,
    name,
    tenantId,
    flavourName,
    isApplication,
    maintenance,
    state,
    ownerId: guest.user.id,
    blocked: false,
  }
}

async function decide(
  parts: AccessParts,
  { guest, address }: Visitor,
  vm: Asked,
  wish: PolicyWish,
): Promise<Grant | Refusal> {
  // A token that was made for one desktop opens no other (T17).
  if (guest.onlyVm !== undefined && guest.onlyVm !== vm.id)
    return { allowed: false, code: 'desktop.foreign', detail: {} }
  return parts.policy.decide({
    guest: policyGuest(guest),
    desktop: {
      name: vm.name,
      ownerId: vm.ownerId,
      tenantId: vm.tenantId,
      flavour: vm.flavourName,
      blocked: vm.blocked,
    },
    hers: await askPlugins(guest, vm),
    wish,
    address,
  })
}

/** Somebody, as policy knows her. */
export function policyGuest({ user, login, tenant, groups }: SignedIn): Circumstances['guest'] {
  return { id: user.id, login, tenantId: tenant.id, role: user.role, groups }
}

/** The first plugin that says something about a desktop decides (`allow_access_to_vm`, compatibility page 6.1). */
async function askPlugins(guest: SignedIn, vm: Pick<VmRow, 'id' | 'name'>): Promise<boolean | undefined> {
  for (const plugin of guest.plugins) {
    const said = await plugin.mayUse?.(guest, { id: vm.id, name: vm.name })
    if (said !== undefined) return said
  }
  return undefined
}
