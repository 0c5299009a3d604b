import type { HookPlatform } from '../hooks/run-hook.ts'
import type { Accounts } from '../user/account.ts'

/** Listens at the boot port, which may appear later, until it is disposed. */
export type BootPort = (hear: (bytes: Buffer) => void) => Disposable

/** What the agent asks of the operating system. One implementation for each that a guest can have. */
export interface Platform {
  readonly accounts: Accounts
  readonly hooks: HookPlatform
  /** The port by which a virtual machine gets its boot tickets; elsewhere nothing ever comes by it. */
  readonly bootPort: (path: string) => BootPort
  /** Halts the guest; returns when that was begun. */
  readonly halt: () => Promise<void>
}
