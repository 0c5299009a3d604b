import type { AgentHandlers, Input, Output } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { DeadlineExceeded, withDeadline } from '@ostler/kit/deadline.ts'
import type { AgentValues } from '../config/options.ts'
import { readRequest } from '../desktop/request.ts'
import type { DesktopSession } from '../desktop/desktop-session.ts'

/** So long one call of `x_start` waits: then the caller hears how far it is, and calls again. */
const START_WAIT_MS = 20_000
/** The contract's answer has no room for more warnings, nor for more hooks. */
const MOST = 20

/** The contract's procedures that are about the session. */
export function sessionCalls(
  session: DesktopSession,
  config: () => AgentValues,
): Pick<AgentHandlers, 'x_state' | 'x_start' | 'x_suspend' | 'x_stop'> {
  let newest = 0
  return {
    x_state: async () => ({ state: await session.look() }),
    x_start: async (input) => {
      // A call that was overtaken on its way would take the display from who has it by now. One that came in time but
      // waits for its turn has it before the newer one.
      const seat = input.seat ?? newest
      if (seat < newest) throw new Fault('desktop.moved', { by: 'somebody who came later' })
      newest = seat
      return await start(session, config, input)
    },
    x_suspend: async () => ({ state: await session.suspend() }),
    x_stop: async () => ({ state: await session.stop() }),
  }
}

async function start(
  session: DesktopSession,
  config: () => AgentValues,
  input: Input<'x_start'>,
): Promise<Output<'x_start'>> {
  const { ready } = session.start(readRequest(input.display, input.parameters, config()))
  try {
    const opened = await withDeadline('x_start', START_WAIT_MS, () => ready)
    return {
      ...opened,
      warnings: opened.warnings.slice(0, MOST).map((text) => text.slice(0, 500)),
      hooks: opened.hooks.slice(-MOST),
      ready: true,
    }
  } catch (error) {
    if (!(error instanceof DeadlineExceeded) || error.what !== 'x_start') throw error
    const waited = START_WAIT_MS
    return {
      ready: false,
      state: session.state,
      userReadyMs: waited,
      displayReadyMs: waited,
      warnings: [],
      hooks: [],
    }
  }
}
