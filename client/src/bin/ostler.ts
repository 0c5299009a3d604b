import { lastSentence } from '@ostler/contract/fault.ts'
import { systemClock } from '@ostler/kit/clock.ts'
import { runMain } from '@ostler/kit/service.ts'
import { wordsToRun } from '../command/auto-connect.ts'
import { clientProgram } from '../command/table.ts'
import { ask } from '../password.ts'
import { progressOn } from '../terminal.ts'

/** What a shell says of a program that was ended by INT. */
const CANCELLED = 130

const abort = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => abort.abort())

const program = clientProgram({
  terminal: {
    print: (line) => console.log(line),
    tell: (line) => console.error(line),
    wait: () => progressOn(process.stderr),
    ask: process.stdin.isTTY ? ask : undefined,
  },
  environment: process.env,
  signal: abort.signal,
  clock: systemClock,
})

runMain(
  async () => {
    const words = wordsToRun(process.argv.slice(2), process.env)
    await program.parseAsync(words, { from: 'user' })
  },
  (error) => (abort.signal.aborted ? { sentence: 'Cancelled.', exitCode: CANCELLED } : lastSentence(error)),
)
