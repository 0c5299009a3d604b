import { expect, test } from 'vitest'
import { both, closingLine, type FileOutcome, filesToTryAgain, lastWords, withSecondTry } from './outcome.ts'

function file(name: string, counts: Partial<FileOutcome> = {}): FileOutcome {
  return { file: name, passed: 1, failed: 0, skipped: 0, failures: [], unstable: [], ...counts }
}

const broken = (name: string): FileOutcome => file(name, { failed: 2, failures: ['it: no', 'that: no'] })

test('what passed everywhere is not tried again', () => {
  const outcome = { files: [file('a'), file('b', { skipped: 3 })], stray: 0 }
  expect(filesToTryAgain(outcome)).toEqual([])
  expect(lastWords(outcome)).toBe('2 passed, 0 failed, 3 skipped\n')
})

test('three files that failed are tried again, four are not', () => {
  const files = ['a', 'b', 'c'].map(broken)
  expect(filesToTryAgain({ files: [...files, file('d')], stray: 0 })).toEqual(['a', 'b', 'c'])
  expect(filesToTryAgain({ files: [...files, broken('d')], stray: 0 })).toEqual([])
})

test('an error that belongs to no file fails the run', () => {
  const outcome = { files: [broken('a')], stray: 1 }
  expect(filesToTryAgain(outcome)).toEqual([])
  expect(closingLine(outcome)).toBe('1 passed, 3 failed, 0 skipped')
})

test('a file that passes the second time counts as passed and is named with each first failure', () => {
  const first = { files: [broken('a'), file('b', { unstable: ['b > was late\n    why'] })], stray: 0 }
  const tried = withSecondTry(first, { files: [file('a', { passed: 3 })], stray: 0 })
  expect(lastWords(tried)).toBe(
    '\nUNSTABLE, to be mended: 3 passed only when tried again\n' +
      '  a (whole file)\n    it: no\n  a (whole file)\n    that: no\n  b > was late\n    why\n' +
      '\n4 passed, 0 failed, 0 skipped\n',
  )
})

test('a file that fails twice has failed', () => {
  const tried = withSecondTry({ files: [broken('a')], stray: 0 }, { files: [broken('a')], stray: 0 })
  expect(lastWords(tried)).toBe('1 passed, 2 failed, 0 skipped\n')
})

test('runs of different files are one', () => {
  const one = { files: [broken('a')], stray: 1 }
  const other = { files: [file('b', { skipped: 2 })], stray: 0 }
  expect(closingLine(both(one, other))).toBe('2 passed, 3 failed, 2 skipped')
})
