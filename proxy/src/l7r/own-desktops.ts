import { Fault } from '@ostler/contract/fault.ts'
import type { Grant, Refusal } from '../model/policy.ts'
import type { AddressPool } from '../store/addresses.ts'
import { addOwnDesktop, countOwnDesktops, listOwnFlavours, type OwnFlavour } from '../store/own-desktops.ts'
import { type AccessParts, policyGuest, type Visitor } from './access.ts'

/** What desktops are made with. */
export interface OwnDesktopParts extends AccessParts {
  readonly addresses: AddressPool
}

/** QVD's tag of the image that a new desktop gets. */
const DI_TAG = 'default'

/** Names of the flavours of which a user may make one more desktop now; most users may of none. */
export async function flavoursToMake(parts: AccessParts, visitor: Visitor): Promise<string[]> {
  const { guest } = visitor
  if (guest.user.role !== 'power' || guest.onlyVm !== undefined) return []
  const [flavours, owned] = await Promise.all([
    listOwnFlavours(parts.db, guest.tenant.id),
    countOwnDesktops(parts.db, guest.user.id),
  ])
  return flavours.filter((flavour) => decide(parts, visitor, flavour, owned).allowed).map(({ name }) => name)
}

/**
 * Makes a desktop for a user who may have more of them.
 * @returns its number.
 * @throws Fault `desktop.foreign` for who may not, `policy.refused` by the rule's name, `object.unknown` for a flavour that is not for her,
 * `quota.reached`, `address.taken`.
 */
export async function makeOwnDesktop(
  parts: OwnDesktopParts,
  visitor: Visitor,
  name: string,
): Promise<number> {
  const { guest } = visitor
  const flavour = (await listOwnFlavours(parts.db, guest.tenant.id)).find((each) => each.name === name)
  if (flavour === undefined) throw new Fault('object.unknown', { kind: 'osf', name })
  return await addOwnDesktop(
    parts.db,
    {
      user: { id: guest.user.id, login: guest.login, tenantId: guest.tenant.id },
      flavourId: flavour.id,
      diTag: DI_TAG,
      requireMore: (owned) => {
        const decision = decide(parts, visitor, flavour, owned)
        if (!decision.allowed) throw new Fault(decision.code, decision.detail)
      },
    },
    parts.addresses,
  )
}

function decide(
  { policy }: AccessParts,
  { guest, address }: Visitor,
  flavour: OwnFlavour,
  owned: number,
): Grant | Refusal {
  // A token that was made for one desktop makes no other.
  if (guest.onlyVm !== undefined) return { allowed: false, code: 'desktop.foreign', detail: {} }
  const { user, tenant } = guest
  return policy.decide({
    guest: policyGuest(guest),
    desktop: { name: '', ownerId: user.id, tenantId: tenant.id, flavour: flavour.name, blocked: false },
    hers: undefined,
    wish: { kind: 'create', owned },
    address,
  })
}
