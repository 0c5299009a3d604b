import { Fault } from '@ostler/contract/fault.ts'
import { POLICY_PARAMETERS } from '@ostler/contract/session-policy.ts'
import type { SlaveRoute } from '@ostler/contract/slave-server.ts'
import { requireUpgrade, upgradeHeaders } from '@ostler/contract/slave-upgrade.ts'
import { SLAVE_ROUTES, SLAVE_UPGRADES } from '@ostler/contract/slave.ts'
import { existsSync } from 'node:fs'
import type { ShareParts } from './share-routes.ts'

/**
 * Gives the stream to the helper of USB devices, which reads `<devid> <speed>` and hands the stream to the kernel (section 5.2).
 * The helper is the image's: `vma.slave.command.qvd-vma-slaveserver-usbip`, started as the user; it has its rights by itself.
 */
export function usbRoute(parts: Omit<ShareParts, 'mountShare'>): SlaveRoute {
  return {
    route: SLAVE_ROUTES.usbip,
    answer: ({ headers, stream, head }) => {
      requireUpgrade(headers, SLAVE_UPGRADES.usbip)
      const what = 'attaching USB devices'
      if (parts.parameters().get(POLICY_PARAMETERS.usb) === '0')
        throw new Fault('slave.forbidden', { what, reason: 'policy' })
      const helper = parts.config()['vma.slave.command.qvd-vma-slaveserver-usbip']
      if (!existsSync(helper)) throw new Fault('slave.unsupported', { what, reason: `no ${helper}` })
      const programs = parts.programs()
      return {
        upgrade: upgradeHeaders(SLAVE_UPGRADES.usbip),
        take: () => programs.onStream(helper, [], stream, head),
      }
    },
  }
}
