import type { Reporter, TestCase, TestModule } from 'vitest/node'

/**
 * Prints `N passed, N failed, N skipped` as the last line of a run; a file that cannot even be loaded has failed. Before it stands
 * which tests passed only when they were tried again.
 */
export default class ClosingLine implements Reporter {
  #line = '0 passed, 0 failed, 0 skipped'
  #unstable: readonly TestCase[] = []

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0, pending: 0 }
    for (const module of modules) {
      const before = count.failed
      for (const test of module.children.allTests()) count[test.result().state] += 1
      this.#unstable = [...this.#unstable, ...unstableOf(module)]
      if (module.state() === 'failed' && count.failed === before) count.failed += 1
    }
    this.#line = `${count.passed} passed, ${count.failed} failed, ${count.skipped + count.pending} skipped`
    // Other reporters print after us: the very end of the process is ours.
    process.once('exit', () => process.stdout.write(`${this.#tellUnstable()}${this.#line}\n`))
  }

  #tellUnstable(): string {
    if (this.#unstable.length === 0) return ''
    const told = this.#unstable.map(
      (test) => `  ${test.module.relativeModuleId} > ${test.fullName}\n${firstFailure(test)}`,
    )
    return `\nUNSTABLE, to be mended: ${this.#unstable.length} passed only when tried again\n${told.join('')}\n`
  }
}

function unstableOf(module: TestModule): TestCase[] {
  return [...module.children.allTests()].filter((test) => test.diagnostic()?.flaky === true)
}

/** Why it failed the first time, as far as vitest keeps it. */
function firstFailure(test: TestCase): string {
  const [error] = test.result().errors ?? []
  return error === undefined ? '' : `    ${error.message.split('\n')[0] ?? ''}\n`
}
