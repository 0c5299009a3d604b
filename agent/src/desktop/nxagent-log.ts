import type { SessionState } from '@ostler/contract/session.ts'

/** What one line of nxagent's log tells about the session. */
export interface LogEvent {
  readonly state: SessionState
}

const STATE_BY_WORD: ReadonlyMap<string, SessionState> = new Map(
  Object.entries({
    Starting: 'starting',
    Resuming: 'starting',
    started: 'connected',
    resumed: 'connected',
    Suspending: 'suspending',
    suspended: 'suspended',
    Terminating: 'stopping',
    Aborting: 'stopping',
    terminated: 'stopped',
    aborted: 'stopped',
  } as const),
)

/**
 * Reads one line (the lines are listed in QVD's compatibility page 3.3; "Waiting for connection" is when the
 * socket really accepts). Returns `undefined` for the many lines that say nothing about the state.
 *
 * nxagent's words need not begin the line: xinit says that it "waits for the X server to shut down" and leaves the line open.
 */
export function readLogLine(line: string): LogEvent | undefined {
  if (line.includes('Info: Waiting for connection from ')) return { state: 'listening' }
  const word = /Session: (?:Session (\w+)|(\w+) session) at /.exec(line)
  const state = STATE_BY_WORD.get(word?.[1] ?? word?.[2] ?? '')
  return state === undefined ? undefined : { state }
}

/** The process number that a line tells, or `undefined`. */
export function readPidLine(line: string): number | undefined {
  const pid = /Info: Agent running with pid '(\d+)'/.exec(line)
  return pid?.[1] === undefined ? undefined : Number(pid[1])
}
