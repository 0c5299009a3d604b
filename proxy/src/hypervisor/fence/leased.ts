import { Fault } from '@ostler/contract/fault.ts'
import type { Hypervisor } from '../hypervisor.ts'

/**
 * A driver that begins nothing while the node has no lease: an hkd that wakes up after others have taken its desktops must not go on
 * with what it was about to do.
 */
export function leased(driver: Hypervisor, mayRun: () => boolean): Hypervisor {
  const require = (id: number): void => {
    if (!mayRun()) throw new Fault('node.cutOff', { desktop: id })
  }
  return {
    ...driver,
    prepare: async (spec) => {
      require(spec.id)
      await driver.prepare(spec)
    },
    boot: async (spec) => {
      require(spec.id)
      await driver.boot(spec)
    },
  }
}
