import type { Account } from '@ostler/kit/passwd.ts'
import type { ProcessIdentity } from '@ostler/kit/process-table.ts'
import type { SessionRequest } from './request.ts'

/** What must be remembered to find a running X agent again. */
export interface XAgentRecord {
  readonly account: Account
  /** xinit: it lives exactly as long as the session. */
  readonly root: ProcessIdentity
  /** Left over from a seed that was under way. */
  readonly seed: readonly ProcessIdentity[]
  /** The window watch of an application's session, if there is one. */
  readonly application: boolean
}

/**
 * One running X agent with the user's programs: nxagent under xinit, or the scripted one that passes the same tests. It tells
 * what happens in nxagent's own log lines, and its life does not depend on ours.
 */
export interface XAgentProcess {
  readonly record: XAgentRecord
  /** True while anything of it lives. When the X agent alone has died, this begins the end of the rest. */
  isAlive(): boolean
  /** Calls back with every line of the log from its beginning; what is there already, before this returns. */
  follow(onLine: (line: string) => void): () => void
  /** Calls back once when the process that was launched has ended. Never for a process that was found. */
  onEnd(listener: () => void): void
  /** Writes the options that the next resume reads. */
  configure(request: SessionRequest): void
  /** SIGHUP: suspends a connected one, wakes a suspended one, sends a woken one that nobody joined back to sleep. */
  hangUp(): void
  /** Opens and closes its X socket: it wakes when a signal was not heeded. */
  poke(): void
  /** Asks the session to end: the X agent first, which tells its programs. */
  terminate(): void
  /** Ends what is left of the session, whatever it is doing. */
  kill(): void
  /** Gives the socket on which it listens to the l7r alone. @throws Fault `session.failed` */
  handOver(): void
  /**
   * Lends it a first connection.
   * @param onLent called whenever `record` tells of another lent process.
   * @throws when that cannot be made; nothing is lent then.
   */
  seed(request: SessionRequest, onLent: () => void): Promise<XSeed>
  /** Removes what it left behind in the file system. */
  cleanUp(): void
}

/** A lent connection. */
export interface XSeed {
  /** Breaks the connection, so that the session suspends. */
  cut(): void
  /** Ends everything that was lent. */
  remove(): void
}

/** Where X agents come from. */
export interface XAgents {
  /** @throws Fault `session.failed` when it cannot be started; nothing runs then. */
  launch(account: Account, request: SessionRequest): Promise<XAgentProcess>
  /** The X agent of a record that an earlier agent process left; it may have ended. */
  find(record: XAgentRecord): XAgentProcess
}
