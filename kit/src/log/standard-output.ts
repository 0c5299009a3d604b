import { fstatSync, writeSync } from 'node:fs'
import { Appender } from './appender.ts'
import type { LogSink, LossNotice } from './sink.ts'
import { StreamSink } from './stream-sink.ts'

const STDOUT = 1

/**
 * Standard output, which is what journald and containers want. A pipe or socket whose reader is slow or gone
 * costs lines, not time.
 */
export function standardOutput(notice: LossNotice): LogSink {
  const stat = fstatSync(STDOUT)
  return stat.isFIFO() || stat.isSocket() ? pipe(notice) : new Appender(DESCRIPTOR, notice)
}

/** A terminal or a file that somebody else has opened. */
const DESCRIPTOR = {
  name: 'standard output',
  append: (bytes: Buffer) => {
    for (let written = 0; written < bytes.length;) written += writeSync(STDOUT, bytes, written)
  },
  close: () => {},
}

function pipe(notice: LossNotice): LogSink {
  const stream = process.stdout
  let gone: (() => void) | undefined
  stream.on('error', () => gone?.())
  return new StreamSink({
    notice,
    pauseMs: [1_000, 1_000],
    frame: (line) => `${line}\n`,
    open: (whenReady, whenGone) => {
      gone = whenGone
      whenReady()
      // Node does not close it, and neither do we.
      return { stream, end: whenGone, kill: whenGone }
    },
  })
}
