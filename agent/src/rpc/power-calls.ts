import type { AgentHandlers, Input } from '@ostler/contract/agent-api.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { DesktopSession } from '../desktop/desktop-session.ts'
import type { Hooks } from '../hooks/hooks.ts'
import type { Pairs } from '../hooks/run-hook.ts'

export interface PowerParts {
  readonly session: DesktopSession
  readonly hooks: Hooks
  readonly halt: () => Promise<void>
  readonly log: Log
}

/** The procedures that are about the life of the whole desktop. */
export function powerCalls(parts: PowerParts): Pick<AgentHandlers, 'poweroff' | 'expire'> {
  let halting: Promise<void> | undefined
  return {
    // Answers before it acts: the caller sees the rest from outside.
    poweroff: () => {
      halting ??= halt(parts).finally(() => (halting = undefined))
      return Promise.resolve({})
    },
    expire: async (input) => {
      await parts.hooks.action('expire', expirationPairs(input), parts.session.state)
      return {}
    },
  }
}

async function halt({ session, hooks, halt: haltMachine, log }: PowerParts): Promise<void> {
  try {
    await hooks.action('poweroff', [], session.state)
  } catch (error) {
    log.error('poweroff hook prevents the halt', { error })
    return
  }
  await session.halt().catch((error: unknown) => log.warn('session did not stop before the halt', { error }))
  await haltMachine().catch((error: unknown) => log.error('halt failed', { error }))
}

/** QVD's own order; unlike there, no extra word shifts them (trap T31). */
function expirationPairs({ soft, hard }: Input<'expire'>): Pairs {
  return [
    ...(soft === undefined ? [] : [['vm.expiration.soft', soft] as const]),
    ...(hard === undefined ? [] : [['vm.expiration.hard', hard] as const]),
  ]
}
