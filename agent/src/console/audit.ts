import type { Log } from '@ostler/kit/log.ts'
import { closeSync, constants, fchmodSync, fsyncSync, openSync, writeSync } from 'node:fs'

type Fields = Readonly<Record<string, string | number | undefined>>

/** Writes down what administrators do in a desktop: in a file of root's, and in the agent's log. */
export interface Audit {
  /**
   * Writes one line, to the disk before it returns.
   * @throws the system's error when it cannot be written to the file; it is in the agent's log all the same.
   */
  write(event: string, fields: Fields): void
}

/**
 * Appends JSON lines to `file`, which is made with mode 0600. It is opened for each line, so that it may be rotated
 * at any time, and a link at its place is not followed.
 */
export function auditFile(file: string, log: Log): Audit {
  return {
    write: (event, fields) => {
      log.info(event, { audit: true, ...fields })
      const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants
      const fd = openSync(file, O_APPEND | O_CREAT | O_NOFOLLOW | O_WRONLY, 0o600)
      try {
        fchmodSync(fd, 0o600)
        writeSync(fd, `${JSON.stringify({ time: new Date().toISOString(), event, ...fields })}\n`)
        fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
    },
  }
}
