/**
 * `npm test`: runs everything by two vitests side by side, one for whole nodes and one for the rest, and files that failed once more as a
 * whole, when they are few (docs/decisions/0046). Most of them wait most of the time, so two cores have room for both. Arguments are vitest's;
 * with any there is one vitest. Ends with 0 when everything passed, at last.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OUTCOME_FILE } from './closing-line.ts'
import { both, filesToTryAgain, lastWords, type Outcome, withSecondTry } from './outcome.ts'

/** Which projects of vitest.config.ts run side by side: that of nodes, and whatever else there is. */
const LANES = ['nodes', '!nodes']
const VITEST = join(import.meta.dirname, '..', '..', 'node_modules', 'vitest', 'vitest.mjs')

async function runVitest(words: readonly string[], outcomeFile: string): Promise<Outcome> {
  const child = spawn(process.execPath, [VITEST, 'run', ...words], {
    stdio: 'inherit',
    env: { ...process.env, [OUTCOME_FILE]: outcomeFile },
  })
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal)
  const end = (): void => void child.kill()
  process.on('SIGTERM', pass).on('SIGINT', pass).on('exit', end)
  const code = await new Promise<number>((settle) => child.once('exit', (exit) => settle(exit ?? 1)))
  process.off('SIGTERM', pass).off('SIGINT', pass).off('exit', end)
  try {
    return JSON.parse(readFileSync(outcomeFile, 'utf8')) as Outcome
  } catch {
    console.error(`vitest ended with ${code} and left no outcome`)
    process.exit(code === 0 ? 1 : code)
  }
}

const folder = mkdtempSync(join(tmpdir(), 'ostler-tests-'))
process.once('exit', () => rmSync(folder, { recursive: true }))
const words = process.argv.slice(2)
const lanes = words.length > 0 ? [words] : LANES.map((projects) => [`--project=${projects}`])
const outcomes = await Promise.all(lanes.map((lane, at) => runVitest(lane, join(folder, `lane-${at}.json`))))
let outcome = outcomes.reduce(both)
const again = filesToTryAgain(outcome)
if (again.length > 0) {
  console.log(`\nOnce more, as a whole: ${again.join(', ')}\n`)
  const options = words.filter((word) => word.startsWith('--'))
  outcome = withSecondTry(outcome, await runVitest([...options, ...again], join(folder, 'second.json')))
}
process.stdout.write(lastWords(outcome))
process.exitCode = outcome.stray > 0 || outcome.files.some((file) => file.failed > 0) ? 1 : 0
