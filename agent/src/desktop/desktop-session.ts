import type { HookResult, SessionEvent } from '@ostler/contract/agent-api.ts'
import type { SessionState } from '@ostler/contract/session.ts'
import type { Observable } from '@ostler/kit/observable.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import type { SessionRequest } from './request.ts'
import type { Opening } from './session.ts'

/** The one session of a desktop, as its callers see it, whatever system carries it. */
export interface DesktopSession {
  /** State, number and hooks of the session: a new value with every change. */
  readonly news: Observable<SessionEvent>
  /** The state as it was last seen. */
  readonly state: SessionState
  /** The account of the running session. */
  readonly account: Account | undefined
  /** Finds a session that an earlier agent process left running, and goes on with it. */
  recover(): void
  /** The state as it is now. */
  look(): SessionState | Promise<SessionState>
  /** See `x_start` in the contract. A call that asks for what is already under way joins it. */
  start(request: SessionRequest): Opening
  /** See `x_suspend` in the contract. */
  suspend(): Promise<SessionState>
  /** See `x_stop` in the contract. */
  stop(): Promise<SessionState>
  /** Ends the session without asking a hook: the desktop halts. */
  halt(): Promise<void>
  /** Tells whoever watches that a hook has ended. */
  tellHook(hook: HookResult): void
  /** Lets go of files and timers; the session lives on. */
  release(): void
}
