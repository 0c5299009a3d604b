import { Fault } from '@ostler/contract/fault.ts'
import type { DesktopSpec, Hypervisor, Hypervisors, SystemSpec } from '../../hypervisor/hypervisor.ts'
import { pooledHome } from '../../model/home.ts'
import type { HypervisorKind } from '../../model/hypervisor-kind.ts'
import type { VmPlan } from '../../store/vms.ts'

/** What runs a desktop's next boot: what its flavour names, else what runs desktops here. */
export function wantedBy({ usual }: Pick<Hypervisors, 'usual'>, { flavour }: VmPlan): HypervisorKind {
  return flavour.hypervisor ?? usual
}

/** What runs a desktop's present boot, or ran its last one. */
export function driverOf(hypervisors: Hypervisors, plan: VmPlan): Hypervisor {
  return hypervisors.by(plan.hypervisor ?? wantedBy(hypervisors, plan))
}

/** @throws Fault `image.unusable` when its flavour has no image for it. */
export function systemOf(plan: VmPlan): SystemSpec {
  if (plan.image === null)
    throw new Fault('image.unusable', {
      image: '(none)',
      reason: `flavour ${plan.flavour.name} has none with the tag ${plan.tag}, or it is blocked`,
    })
  return { ...plan, image: plan.image }
}

/** @throws Fault `image.unusable` when its flavour has no image for it. */
export function specOf(plan: VmPlan): DesktopSpec {
  const home = plan.poolId === null ? plan.home : pooledHome(plan)
  if (home === null) throw new Error(`desktop ${plan.id} is ${plan.state} without a home`)
  return { ...systemOf(plan), home }
}
