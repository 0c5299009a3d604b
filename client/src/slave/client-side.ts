import { portRoutes } from '@ostler/contract/slave-ports.ts'
import { serveSlave, type SlaveRoute } from '@ostler/contract/slave-server.ts'
import { Scope } from '@ostler/kit/scope.ts'
import type { Secret } from '@ostler/kit/secret.ts'
import { createServer } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { ownProgram } from '../own-program.ts'
import { closeServer } from './close-server.ts'
import { type Forward, serveForward } from './forward.ts'
import { type GuestCalls, guestCalls } from './guest-calls.ts'
import { openHereRoutes, type OpenRules } from './open-here.ts'

/** What the slave channel of one connection is for. */
export interface ChannelWishes {
  /** Ports of this computer that the desktop may reach. */
  readonly ports: (port: number) => boolean
  readonly open: OpenRules
  readonly forwards: readonly Forward[]
  /** What else desktops find here. */
  readonly more?: readonly SlaveRoute[]
  /** False: nothing asks for it but folders, and those only where they have no better way. */
  readonly isNeeded: boolean
}

/** The client's end of the slave channel of one connection. */
export interface ClientSide extends AsyncDisposable {
  /** What nxproxy is told: options, and its environment. */
  readonly options: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly guest: GuestCalls
}

const MAX_STREAMS = 8

/**
 * Makes the client's end: a socket to which nxproxy's program carries streams of the desktop, each served by our routes, and calls
 * to the desktop through nxproxy. Both sockets are in a folder of ours, so no other user of this computer reaches either.
 *
 * @param folder ours alone (0700); it stays the caller's.
 * @param key of the 101 (section 5.1).
 * @throws Fault `client.forward` when a port cannot be used; nothing is left open then.
 */
export async function openClientSide(
  folder: string,
  key: Secret,
  wishes: ChannelWishes,
  tell: (line: string) => void,
): Promise<ClientSide> {
  const scope = new Scope()
  const [here, guestSocket] = [join(folder, 'slave.sock'), join(folder, 'guest.sock')]
  const guest = guestCalls(guestSocket, key, scope.signal)
  const { open, ports, more = [] } = wishes
  const routes = [...openHereRoutes(open, folder, tell), ...portRoutes(ports), ...more]
  const server = createServer({ allowHalfOpen: true }, (stream) => {
    void serveSlave(stream, {
      key: () => key,
      routes,
      onTrouble: (what, { reason }) => tell(`The desktop wanted ${what}: ${reason}.`),
    })
  })
  server.maxConnections = MAX_STREAMS
  try {
    scope.own(closeServer(server))
    await new Promise<void>((resolve) => server.listen(here, resolve))
    for (const forward of wishes.forwards) scope.own(await serveForward(forward, guest, tell))
  } catch (error) {
    await scope.close()
    throw error
  }
  // The program that nxproxy starts for each stream of the desktop.
  const carrier = ownProgram('slave-stream')
  return {
    options: [`slave=unix:${guestSocket}`],
    environment: {
      NX_SLAVE_CMD: carrier,
      QVD_SLAVE_CMD: carrier,
      OSTLER_SLAVE_SOCKET: here,
      // The program's first line asks for node: it shall be ours.
      PATH: [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter),
    },
    guest,
    [Symbol.asyncDispose]: () => scope.close(),
  }
}
