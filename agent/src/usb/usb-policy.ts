import { Fault } from '@ostler/contract/fault.ts'
import { POLICY_PARAMETERS } from '@ostler/contract/session-policy.ts'
import { type UsbDevice, usbName } from '@ostler/contract/usbip/device.ts'
import type { Pairs } from '../hooks/run-hook.ts'
import type { UsbRule } from './usb-rule.ts'

/**
 * Requires that a session may have a device: the door's rules must not forbid USB, and this desktop must allow the device.
 * @param rule `vma.usb.devices`.
 * @throws Fault `usb.refused`.
 */
export function requireAllowed(
  pairs: Pairs,
  rule: UsbRule,
  device: Pick<UsbDevice, 'vendor' | 'product'>,
): void {
  const forbidden = new Map(pairs).get(POLICY_PARAMETERS.usb) === '0'
  if (forbidden || rule === 'off') throw new Fault('usb.refused', { reason: 'USB is off in this desktop' })
  if (rule === 'all') return
  const allowed = rule.some(
    ({ vendor, product }) =>
      vendor === device.vendor && (product === undefined || product === device.product),
  )
  if (!allowed)
    throw new Fault('usb.refused', { reason: `${usbName(device)} is not among those that may be` })
}
