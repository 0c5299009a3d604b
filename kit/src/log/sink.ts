import type { LineLevel } from './level.ts'

/** Where lines end up: a file, standard output, a syslog server. */
export interface LogSink {
  /**
   * Takes one line without its end. Never throws and never waits: what cannot be written is counted, and
   * the count is told in a line of its own as soon as writing works again.
   */
  write(line: string, level: LineLevel): void
  /** Writes out what is queued, for about a second at most, and frees everything. Never rejects. */
  close(): Promise<void>
}

/** Makes the line that tells how many were lost. */
export type LossNotice = (lost: number) => string
