import type { Reporter, TestModule } from 'vitest/node'

/** Prints `N passed, N failed, N skipped` as the last line of a run; a file that cannot even be loaded has failed. */
export default class ClosingLine implements Reporter {
  #line = '0 passed, 0 failed, 0 skipped'

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0, pending: 0 }
    for (const module of modules) {
      const before = count.failed
      for (const test of module.children.allTests()) count[test.result().state] += 1
      if (module.state() === 'failed' && count.failed === before) count.failed += 1
    }
    this.#line = `${count.passed} passed, ${count.failed} failed, ${count.skipped + count.pending} skipped`
    // Other reporters print after us: the very end of the process is ours.
    process.once('exit', () => process.stdout.write(`${this.#line}\n`))
  }
}
