import { run, RunError } from '@ostler/kit/run.ts'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

/** The runner over a project of three lines. */
const HERE = import.meta.dirname
let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'ostler-runner-'))))
afterEach(() => rmSync(folder, { recursive: true }))

function writeProject(suite: string): void {
  const vitest = JSON.stringify(join(HERE, '../../node_modules/vitest/dist/index.js'))
  const reporter = JSON.stringify(join(HERE, 'closing-line.ts'))
  writeFileSync(join(folder, 'vitest.config.mjs'), `export default { test: { reporters: [${reporter}] } }`)
  writeFileSync(join(folder, 'steady.test.js'), `import { test } from ${vitest}; test('holds', () => {})`)
  writeFileSync(
    join(folder, 'rooms.test.js'),
    `import { existsSync, mkdirSync } from 'node:fs'
     import { beforeAll, expect, test } from ${vitest}
     const been = ${JSON.stringify(join(folder, 'been'))}
     ${suite}`,
  )
}

async function runAll(): Promise<{ code: number | null; output: string }> {
  let output = ''
  const onOutput = (chunk: Buffer): void => void (output += chunk.toString())
  const args = [join(HERE, 'run.ts'), `--root=${folder}`]
  try {
    await run(process.execPath, args, { timeoutMs: 60_000, onOutput })
    return { code: 0, output }
  } catch (error) {
    if (!(error instanceof RunError)) throw error
    return { code: error.exitCode, output }
  }
}

test('a file whose set-up fails once is run again, and named', async () => {
  writeProject(`
    beforeAll(() => { if (!existsSync(been)) { mkdirSync(been); throw new Error('the room did not come up') } })
    test('lives in the room', () => {})
    test('reads in it', () => {})`)
  const { code, output } = await runAll()
  expect(output.split('UNSTABLE')[1]).toBe(
    ', to be mended: 1 passed only when tried again\n' +
      '  rooms.test.js (whole file)\n    the room did not come up\n\n3 passed, 0 failed, 0 skipped\n',
  )
  expect(code).toBe(0)
})

test('what fails twice fails the run', async () => {
  writeProject(`test('is wrong', () => expect(1).toBe(2))`)
  const { code, output } = await runAll()
  expect(output).toMatch(/\n1 passed, 1 failed, 0 skipped\n$/)
  expect(code).toBe(1)
})
