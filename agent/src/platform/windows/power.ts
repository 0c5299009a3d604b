import { RunError } from '@ostler/kit/run.ts'
import type { WindowsTools } from './tools.ts'

/** Other, planned: what the event log keeps as the reason. */
const REASON = 'p:0:0'
/** ERROR_SHUTDOWN_IN_PROGRESS */
const BEGUN = 1115
/** ERROR_SHUTDOWN_IS_SCHEDULED */
const SCHEDULED = 1190
const LIMIT_MS = 20_000

/**
 * Halts the guest; returns when that was begun. A shutdown that somebody has put off until later gives way.
 * @throws RunError
 */
export async function halt(tools: WindowsTools): Promise<void> {
  try {
    await begin(tools)
  } catch (error) {
    const exit = error instanceof RunError ? error.exitCode : null
    if (exit === BEGUN) return
    if (exit !== SCHEDULED) throw error
    await tools.run('shutdown', ['/a'], { timeoutMs: LIMIT_MS })
    await begin(tools)
  }
}

async function begin(tools: WindowsTools): Promise<void> {
  await tools.run('shutdown', ['/s', '/t', '0', '/f', '/d', REASON], { timeoutMs: LIMIT_MS })
}
