import type { HookPlatform } from '../hooks/run-hook.ts'
import type { Accounts } from '../user/account.ts'

/** What the agent asks of the operating system. One implementation for each that a guest can have. */
export interface Platform {
  readonly accounts: Accounts
  readonly hooks: HookPlatform
  /** Halts the guest; returns when that was begun. */
  readonly halt: () => Promise<void>
}
