/** How a run of tests ended, file by file. What the reporter writes and the runner reads. */
export interface FileOutcome {
  /** Below the project's folder. */
  readonly file: string
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** First sentences of what failed, the file's own set-up included. */
  readonly failures: readonly string[]
  /** Tests that passed only when they were tried again, each with why it failed first. */
  readonly unstable: readonly string[]
}

export interface Outcome {
  readonly files: readonly FileOutcome[]
  /** Errors that belong to no file. */
  readonly stray: number
}

/** More files than these have not failed by chance. */
const MOST_FILES_AGAIN = 3

/** Files that are worth another try, as a whole; none when so many failed that something is broken. */
export function filesToTryAgain({ files, stray }: Outcome): string[] {
  const failed = files.filter((file) => file.failed > 0)
  return stray > 0 || failed.length > MOST_FILES_AGAIN ? [] : failed.map(({ file }) => file)
}

/** The first outcome with what came of trying some files again; what passed then is unstable. */
export function withSecondTry(first: Outcome, second: Outcome): Outcome {
  const again = new Map(second.files.map((file) => [file.file, file]))
  const files = first.files.map((before) => {
    const after = again.get(before.file)
    if (after === undefined || before.failed === 0) return before
    const told =
      after.failed === 0 ? before.failures.map((why) => `${before.file} (whole file)\n    ${why}`) : []
    return { ...after, unstable: [...before.unstable, ...after.unstable, ...told] }
  })
  return { files, stray: first.stray + second.stray }
}

/** What came of two runs of different files. */
export function both(one: Outcome, other: Outcome): Outcome {
  return { files: [...one.files, ...other.files], stray: one.stray + other.stray }
}

/** `N passed, N failed, N skipped`. */
export function closingLine(outcome: Outcome): string {
  const sum = (of: 'passed' | 'failed' | 'skipped'): number =>
    outcome.files.reduce((total, file) => total + file[of], 0)
  return `${sum('passed')} passed, ${sum('failed') + outcome.stray} failed, ${sum('skipped')} skipped`
}

/** What stands at the very end of a run: what must be mended although it passed, and the closing line. */
export function lastWords(outcome: Outcome): string {
  const unstable = outcome.files.flatMap((file) => file.unstable)
  const list =
    unstable.length === 0
      ? ''
      : `\nUNSTABLE, to be mended: ${unstable.length} passed only when tried again\n` +
        unstable.map((told) => `  ${told}\n`).join('') +
        '\n'
  return `${list}${closingLine(outcome)}\n`
}
