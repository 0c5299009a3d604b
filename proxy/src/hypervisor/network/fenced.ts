import { existsSync, writeFileSync } from 'node:fs'
import type { Hypervisor } from '../hypervisor.ts'
import type { Resident } from './ruleset.ts'

/** Who must know which desktops run here. */
interface Keeper {
  admit(resident: Resident): Promise<void>
  dismiss(id: number): Promise<void>
}

export interface Fence {
  readonly keepers: readonly Keeper[]
  /** Begins the names of the desktops' network devices. */
  readonly prefix: string
  /** Desktops do not reach each other. */
  readonly protectVms: boolean
}

/**
 * A driver whose desktops the network knows from before they boot until after they are released. Where the kernel can,
 * the bridge itself keeps desktops apart as well.
 */
export function fenced(driver: Hypervisor, { keepers, prefix, protectVms }: Fence): Hypervisor {
  return {
    ...driver,
    boot: async (spec) => {
      const { id, address, flavour } = spec
      for (const keeper of keepers) await keeper.admit({ id, address, rates: flavour.rates })
      await driver.boot(spec)
      if (protectVms) isolate(`${prefix}${spec.id}`)
    },
    release: async (id, failed) => {
      await driver.release(id, failed)
      for (const keeper of keepers) await keeper.dismiss(id)
    },
  }
}

/** Second to the rules, so it is no failure where it cannot be: a desktop may have ended already. */
function isolate(device: string): void {
  const file = `/sys/class/net/${device}/brport/isolated`
  try {
    if (existsSync(file)) writeFileSync(file, '1')
  } catch {
    // the device has just gone
  }
}
