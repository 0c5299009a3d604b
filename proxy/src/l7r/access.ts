import { Fault } from '@ostler/contract/fault.ts'
import type { SignedIn } from '../auth/sign-in.ts'
import type { Grant, PolicyWish, Refusal, SessionGrant } from '../model/policy.ts'
import type { Db } from '../store/open.ts'
import { findVm, listVms, type VmRow } from '../store/vms.ts'
import type { PolicyBook } from './policy-book.ts'

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

/**
 * Finds a desktop for somebody who wants something of it. Writes nothing.
 * @throws Fault `desktop.unknown`, `desktop.foreign`, `desktop.blocked`, or `policy.refused` by the rule's name.
 */
export async function requireAccess(
  parts: AccessParts,
  visitor: Visitor,
  vmId: number,
  wish: PolicyWish,
): Promise<{ vm: VmRow; grant: SessionGrant }> {
  const vm = await findVm(parts.db, vmId)
  if (vm === undefined) throw new Fault('desktop.unknown')
  const decision = await decide(parts, visitor, vm, wish)
  if (!decision.allowed) throw new Fault(decision.code, decision.detail)
  return { vm, grant: decision }
}

/** The desktops that somebody may see in her list. */
export async function desktopsOf(parts: AccessParts, visitor: Visitor): Promise<VmRow[]> {
  const own = await listVms(parts.db, visitor.guest.user.id)
  const seen: VmRow[] = []
  for (const vm of own) if ((await decide(parts, visitor, vm, { kind: 'list' })).allowed) seen.push(vm)
  return seen
}

async function decide(
  parts: AccessParts,
  { guest, address }: Visitor,
  vm: VmRow,
  wish: PolicyWish,
): Promise<Grant | Refusal> {
  // A token that was made for one desktop opens no other (T17).
  if (guest.onlyVm !== undefined && guest.onlyVm !== vm.id)
    return { allowed: false, code: 'desktop.foreign', detail: {} }
  const { user, login, tenant, groups } = guest
  return parts.policy.decide({
    guest: { id: user.id, login, tenantId: tenant.id, role: user.role, groups },
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

/** The first plugin that says something about a desktop decides (`allow_access_to_vm`, compatibility page 6.1). */
async function askPlugins(guest: SignedIn, vm: VmRow): Promise<boolean | undefined> {
  for (const plugin of guest.plugins) {
    const said = await plugin.mayUse?.(guest, { id: vm.id, name: vm.name })
    if (said !== undefined) return said
  }
  return undefined
}
