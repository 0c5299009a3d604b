import { writeFileSync } from 'node:fs'
import type { Reporter, TestCase, TestModule } from 'vitest/node'
import { type FileOutcome, lastWords, type Outcome } from './outcome.ts'

/** Where the runner wants the outcome; it prints the last words then. */
export const OUTCOME_FILE = 'OSTLER_TEST_OUTCOME'

/**
 * Ends a run with `N passed, N failed, N skipped` as its last line, and before it which tests passed only when they were
 * tried again. A file that cannot even be loaded, or whose set-up fails, has failed.
 */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const outcome: Outcome = { files: modules.map(outcomeOf), stray: errors.length }
    const wanted = process.env[OUTCOME_FILE]
    if (wanted !== undefined) writeFileSync(wanted, JSON.stringify(outcome))
    // Other reporters print after us: the very end of the process is ours.
    else process.once('exit', () => process.stdout.write(lastWords(outcome)))
  }
}

function outcomeOf(module: TestModule): FileOutcome {
  const tests = [...module.children.allTests()]
  const of = (state: string): TestCase[] => tests.filter((test) => test.result().state === state)
  const failed = of('failed')
  const broken = module.state() === 'failed' && failed.length === 0
  return {
    file: module.relativeModuleId,
    passed: of('passed').length,
    failed: failed.length + (broken ? 1 : 0),
    skipped: of('skipped').length + of('pending').length,
    failures: broken
      ? [firstLine(brokenBy(module))]
      : failed.map((test) => `${test.fullName}: ${firstLine(test.result().errors)}`),
    unstable: tests
      .filter((test) => test.diagnostic()?.flaky === true)
      .map((test) => `${module.relativeModuleId} > ${test.fullName}\n    ${firstLine(test.result().errors)}`),
  }
}

/** Errors of the file's own, and of its suites' set-ups and endings. */
function brokenBy(module: TestModule): { message: string }[] {
  return [...module.errors(), ...[...module.children.allSuites()].flatMap((suite) => suite.errors())]
}

function firstLine(errors: readonly { message: string }[] | undefined): string {
  return errors?.[0]?.message.split('\n')[0] ?? 'no reason kept'
}
