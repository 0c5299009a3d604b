import { lastSentence } from '@ostler/contract/fault.ts'
import { runMain } from '@ostler/kit/service.ts'
import { runCommand } from '../commands.ts'

/** What a shell says of a program that was ended by INT. */
const CANCELLED = 130

const abort = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => abort.abort())

runMain(
  () => runCommand(process.argv.slice(2), abort.signal),
  (error) => (abort.signal.aborted ? { sentence: 'Cancelled.', exitCode: CANCELLED } : lastSentence(error)),
)
