import { writeWhole } from '@ostler/kit/write-file.ts'
import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { TicketPlace } from '../hypervisor/hypervisor.ts'

const TICKET = 'enrol.json'

/** Leaves tickets in a desktop's boot folder, which its guest sees. Whose that is, is who the agent is on this node. */
export function ticketFolder(boot: string): TicketPlace {
  const path = join(boot, TICKET)
  return {
    put: (ticket) => writeWhole(path, JSON.stringify(ticket), { mode: 0o600, owner: statSync(boot) }),
    clear: () => rmSync(path, { force: true }),
    close: () => {},
  }
}
