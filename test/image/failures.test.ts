import { Fault } from '@ostler/contract/fault.ts'
import { buildImage } from '@ostler/image/build.ts'
import { readRecipe } from '@ostler/image/recipe.ts'
import { run, RunError } from '@ostler/kit/run.ts'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort, listenOn } from '../fixtures/world.ts'

const ROOT = join(import.meta.dirname, '../..')
const PROGRAM = join(ROOT, 'image/src/bin/ostler-image.ts')
const FAIL_MS = 300_000
const TMPFS = 'mount -t tmpfs -o size=1m tmpfs "$1"; shift; exec "$@"'

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-image-fails-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function write(...lines: string[]): string {
  const file = join(folder, 'office.conf')
  writeFileSync(file, ['name = office', ...lines, ''].join('\n'))
  return file
}

/** An empty one: what a first try has left would be taken for the second's. */
function ownFolder(): string {
  return mkdtempSync(join(folder, 'own-'))
}

/** How `ostler-image` ends that fails. */
async function failure(words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<RunError> {
  const failed = await run(process.execPath, [PROGRAM, ...words], { env: { ...process.env, ...env } }).catch(
    (error: unknown) => error,
  )
  if (!(failed instanceof RunError)) throw new Error('it did not fail')
  return failed
}

test(
  'a mirror that does not answer is named',
  async () => {
    const mirror = `http://127.0.0.1:${await freePort()}/debian`
    const recipe = readRecipe(write(`mirror = ${mirror}`))
    const output = ownFolder()
    const failed = buildImage(recipe, {
      ...{ output, cache: undefined, version: undefined, inside: join(ROOT, 'image/inside') },
      ...{ self: [process.execPath, PROGRAM], tell: () => {}, signal: new AbortController().signal },
    })
    await expect(failed).rejects.toMatchObject({ code: 'build.mirror', detail: { mirror } })
    expect(readdirSync(output)).toEqual([expect.stringMatching(/^office-.*\.log$/)])
  },
  FAIL_MS,
)

test(
  'who is told to stop leaves nothing but the log',
  async () => {
    // It takes the connection and never says a word.
    const port = await freePort()
    await using _mirror = await listenOn(port)
    const [output, temporary] = [ownFolder(), ownFolder()]
    const recipe = write(`mirror = http://127.0.0.1:${port}/debian`)
    const child = spawn(process.execPath, [PROGRAM, 'build', recipe, '--output', output], {
      env: { ...process.env, TMPDIR: temporary },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    try {
      const ended = once(child, 'exit')
      for await (const line of createInterface({ input: child.stderr })) {
        if (line.endsWith('reading the lists of the archive')) child.kill('SIGINT')
        if (line === 'Cancelled.') break
      }
      expect(await ended).toEqual([130, null])
    } finally {
      child.kill('SIGKILL')
    }
    expect(readdirSync(temporary)).toEqual([])
    expect(readdirSync(output)).toEqual([expect.stringMatching(/^office-.*\.log$/)])
  },
  FAIL_MS,
)

test('a folder without room is named before anything is fetched', async () => {
  const small = ownFolder()
  const build = [process.execPath, PROGRAM, 'build', write(), '--output', small]
  const words = ['--mount', 'sh', '-c', TMPFS, 'sh', small, ...build]
  const failed = await run('unshare', words, { env: process.env }).catch((error: unknown) => error)
  if (!(failed instanceof RunError)) throw new Error('it was built')
  expect(failed).toMatchObject({ exitCode: new Fault('build.noRoom').exitCode })
  expect(failed.stderr).toMatch(/there is no room in .*own-\w+: \d+ MB are free.*\[build\.noRoom\]/)
})

test.each([
  ['no such command', ['bild', 'x'], 64, 'there is no command "bild"'],
  ['nothing to build', ['build'], 64, 'build what?'],
  ['no flavour', ['import', 'x.tar'], 64, 'into which flavour?'],
  ['an option that is none', ['build', 'x', '--fast'], 64, "Unknown option '--fast'"],
  ['no such recipe', ['recipe', 'kde'], 64, 'no recipe "kde" comes with it'],
  ['no such file', ['build', '/nowhere.conf'], 65, '/nowhere.conf: cannot be read'],
  ['no image', ['check', '/etc/passwd'], 65, 'is no image of ostler-image'],
  ['the system that it runs on', ['seal', '/'], 64, 'that is this machine'],
])('%s is refused with a sentence', async (_, words, exitCode, sentence) => {
  const failed = await failure(words)
  expect(failed.exitCode).toBe(exitCode)
  expect(failed.stderr).toContain(sentence)
})

test('a program that is missing is named with its package', async () => {
  const failed = await failure(['build', write()], { PATH: '/nonexistent' })
  expect(failed.stderr).toMatch(/the program \w+ is missing\. Install it: apt-get install/)
})
