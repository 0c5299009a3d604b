import { consoleApi, parseSize } from '@ostler/contract/console-frames.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { displayOn } from '../../display/display-socket.ts'
import { readSigned } from '../../store/console-orders.ts'
import { agentOf, type FarEnd, inTime, type Tunnelling } from './far-end.ts'

/** So long hkd may take to sign. */
const SIGN_MS = 5_000
/** A lost hint costs this much. */
const TICK_MS = 500

/** A login shell, by the agent: frames as in `contract/console-frames.ts`. */
export const consoleEnd: FarEnd = {
  states: ['running'],
  open: async (tunnelling) => {
    const signed = await awaitSigned(tunnelling)
    const size = parseSize(tunnelling.size ?? '')
    const headers = {
      [consoleApi.ticketHeader]: signed,
      ...(size === undefined ? {} : { [consoleApi.sizeHeader]: `${size.columns}x${size.rows}` }),
    }
    using link = agentOf(tunnelling)
    const wanted = { path: consoleApi.path, protocol: consoleApi.upgrade }
    return displayOn(await link.upgrade(wanted, headers, inTime(tunnelling)))
  },
}

/** Only hkd holds the key with which consoles are signed. @throws Fault `tunnel.unsigned`. */
async function awaitSigned({ parts, vm, digest, signal }: Tunnelling): Promise<string> {
  const timeout = AbortSignal.timeout(SIGN_MS)
  using news = parts.news.listen(vm.id, TICK_MS, AbortSignal.any([signal, timeout]))
  for (;;) {
    const signed = await readSigned(parts.db, digest)
    if (signed !== undefined) return signed
    await news.next().catch((error: unknown) => {
      throw timeout.aborted ? new Fault('tunnel.unsigned', { desktop: vm.id }) : error
    })
  }
}
