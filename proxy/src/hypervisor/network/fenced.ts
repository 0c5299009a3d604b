import { existsSync, writeFileSync } from 'node:fs'
import type { Hypervisor } from '../hypervisor.ts'
import type { Firewall } from './firewall.ts'

export interface Fence {
  readonly firewall: Pick<Firewall, 'admit' | 'dismiss'>
  /** Begins the names of the desktops' network devices. */
  readonly prefix: string
  /** Desktops do not reach each other. */
  readonly protectVms: boolean
}

/**
 * A driver whose desktops the firewall knows from before they boot until after they are released. Where the kernel can,
 * the bridge itself keeps desktops apart as well.
 */
export function fenced(driver: Hypervisor, { firewall, prefix, protectVms }: Fence): Hypervisor {
  return {
    ...driver,
    boot: async (spec) => {
      await firewall.admit(spec)
      await driver.boot(spec)
      if (protectVms) isolate(`${prefix}${spec.id}`)
    },
    release: async (id) => {
      await driver.release(id)
      await firewall.dismiss(id)
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
