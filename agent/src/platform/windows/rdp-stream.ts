import { Fault } from '@ostler/contract/fault.ts'
import type { SessionDisplay } from '@ostler/contract/identity.ts'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { carryOver } from '../../desktop/carried-display.ts'

const CONNECT_MS = 5_000

/** What a Windows desktop answers who wants to see it by something else than RDP. */
export function notHere(display: SessionDisplay): Fault {
  return new Fault('display.missing', { display, reason: 'Windows shows itself by RDP alone' })
}

/**
 * Carries Windows' own RDP over the connection that asked. Windows asks who comes: the door's word does not reach it.
 *
 * @param port where Windows listens, on this machine.
 * @throws Fault `session.busy` before anything was answered, when nothing accepts a connection there.
 */
export async function carryRdp(port: number, protocol: string, socket: Duplex, head: Buffer): Promise<void> {
  const near = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  near.on('error', () => near.destroy())
  try {
    await once(near, 'connect', { signal: AbortSignal.timeout(CONNECT_MS) })
  } catch (cause) {
    near.destroy()
    throw new Fault('session.busy', { state: 'stopped' }, { cause })
  }
  carryOver(near, protocol, socket, head)
}
