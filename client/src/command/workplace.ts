import type { Clock } from '@ostler/kit/clock.ts'
import type { Terminal } from '../terminal.ts'

/** Where a command runs: everything of the process that it may touch. */
export interface Workplace {
  readonly terminal: Terminal
  readonly environment: NodeJS.ProcessEnv
  /** Aborts when the user wants to end. */
  readonly signal: AbortSignal
  readonly clock: Clock
}
