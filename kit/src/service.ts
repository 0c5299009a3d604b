import type { Log } from './log.ts'
import { complain } from './log/complain.ts'
import type { Scope } from './scope.ts'

/**
 * Lives until TERM or INT, then closes `scope` and lets the process end by itself.
 *
 * @param closeWithinMs after that time the process ends at once, with a last word on standard error.
 */
export async function serveUntilSignalled(scope: Scope, log: Log, closeWithinMs: number): Promise<void> {
  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
  log.info('stopping', { signal })
  const hurry = setTimeout(() => {
    complain(`still not stopped after ${closeWithinMs} ms, ending now`)
    process.exit(1)
  }, closeWithinMs)
  hurry.unref()
  await scope.close(new Error(`stopped by ${signal}`))
  log.info('stopped')
  await log.close()
}

/**
 * Runs the main function of a program: a failure becomes one sentence on standard error and an exit code.
 * @param explain turns an error into the sentence and the code.
 */
export function runMain(
  main: () => Promise<void>,
  explain: (error: unknown) => { sentence: string; exitCode: number },
): void {
  main().catch((error: unknown) => {
    const { sentence, exitCode } = explain(error)
    complain(sentence)
    process.exitCode = exitCode
    // Handles that a failed start left open must not keep a dead process alive.
    setTimeout(() => process.exit(exitCode), 1_000).unref()
  })
}
