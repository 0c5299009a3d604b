import type { Account } from '@ostler/kit/passwd.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import type { AgentValues } from '../config/options.ts'
import { PRINTING_PORT } from './nxagent-options.ts'
import type { SessionRequest } from './request.ts'

const SLAVE_BASE_PORT = 11_000

/**
 * Writes what the helpers of the client's channels read (compatibility page 4.1): `slave.conf`, the bare key, for the user
 * alone, whose program serves the channel; and `printing.conf`.
 * @throws what the file system throws.
 */
export function writeChannelFiles(config: AgentValues, request: SessionRequest, account: Account): void {
  writeWhole(config['internal.vma.slave.config'], request.slaveKey ?? '', { mode: 0o400, owner: account })
  const printing = {
    'qvd.printing.enabled': request.printing === undefined ? 0 : 1,
    'qvd.printing.port': PRINTING_PORT,
    'qvd.slave.port': SLAVE_BASE_PORT + config['internal.nxagent.display'],
    'qvd.client.os': request.client.os,
    'qvd.client.printing.flavor': request.printingFlavor,
  }
  const lines = Object.entries(printing).map(([key, value]) => `${key} = ${value}\n`)
  writeWhole(config['internal.vma.printing.config'], lines.join(''), { mode: 0o644 })
}
