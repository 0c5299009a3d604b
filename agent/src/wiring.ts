import type { AgentHandlers } from '@ostler/contract/agent-api.ts'
import {
  AGENT_PORT,
  DISPLAY_SOCKETS,
  GUEST_BOOT_FOLDER,
  GUEST_DISPLAY_FOLDER,
} from '@ostler/contract/identity.ts'
import type { Log } from '@ostler/kit/log.ts'
import { run } from '@ostler/kit/run.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { join } from 'node:path'
import type { AgentConfig } from './config.ts'
import { serveRfb } from './desktop/rfb.ts'
import { sessionFiles } from './desktop/session-files.ts'
import { XSession } from './desktop/session.ts'
import { asUserWith } from './platform/linux/as-user.ts'
import { halt } from './platform/linux/power.ts'
import { awaitTicket, enrol } from './rpc/enrol.ts'
import { serveAgentApi } from './rpc/server.ts'

/** Puts the agent together, enrols it, and serves until the scope closes. The session outlives the scope. */
export async function startAgent(
  config: AgentConfig,
  version: string,
  log: Log,
  scope: Scope,
): Promise<void> {
  const values = config.values
  const ticket = await awaitTicket(GUEST_BOOT_FOLDER, scope.signal)
  const files = sessionFiles(values['path.run'])
  const asUser = asUserWith(values['command.setpriv'])
  const session = new XSession({
    config: values,
    files,
    log,
    run,
    asUser,
    nxSocket: join(GUEST_DISPLAY_FOLDER, DISPLAY_SOCKETS.nx),
    displayOwner: () => ticket.displayUid,
  })
  session.recover()
  scope.defer(() => session.release())
  const rfb = {
    socket: join(GUEST_DISPLAY_FOLDER, DISPLAY_SOCKETS.rfb),
    owner: ticket.displayUid,
    x11vnc: values['command.x11vnc'],
    display: values['internal.nxagent.display'],
    authority: files.authority,
    lang: values['vma.default.lang'],
  }
  scope.own(await serveRfb(session, rfb, asUser, log))

  const identity = await enrol(AGENT_PORT, GUEST_BOOT_FOLDER, log, scope.signal)
  log.info('enrolled', { desktop: ticket.desktop, epoch: ticket.epoch })
  scope.own(await serveAgentApi(AGENT_PORT, identity, handlersFor(session, version, log), session.state, log))
}

function handlersFor(session: XSession, version: string, log: Log): AgentHandlers {
  return {
    ping: () => Promise.resolve({ version }),
    x_state: () => Promise.resolve({ state: session.state.value }),
    x_start: (input) => session.start(input),
    x_suspend: async () => ({ state: await session.suspend() }),
    x_stop: async () => ({ state: await session.stop() }),
    poweroff: () => {
      // Answers before it acts: the caller sees the rest from outside.
      session
        .stop()
        .catch((error: unknown) => log.warn('session did not stop before the halt', { error }))
        .then(halt)
        .catch((error: unknown) => log.error('halt failed', { error }))
      return Promise.resolve({})
    },
  }
}
