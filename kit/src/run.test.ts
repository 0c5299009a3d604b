import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, test } from 'vitest'
import { identify } from './process-table.ts'
import { run, RunError } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-run-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function failure(ended: Promise<unknown>): Promise<RunError> {
  const error = await ended.catch((error: unknown) => error)
  if (error instanceof RunError) return error
  throw new Error('it did not fail with a RunError', { cause: error })
}

/** Waits until a process is gone; gives up when the test does. */
async function gone(pid: number): Promise<boolean> {
  while (identify(pid) !== undefined) await sleep(10)
  return true
}

test('arguments reach the program as they are: no shell reads them', async () => {
  const words = ['$HOME', '`id`', 'a b', "'", '"', '*', ';', '&&', '', '\n', '-rf']
  const { stdout } = await run('printf', ['%s\\0', ...words])
  expect(stdout.split('\0').slice(0, -1)).toEqual(words)
})

test('both outputs are kept apart', async () => {
  expect(await run('sh', ['-c', 'echo out; echo err >&2; sleep 0.1'])).toEqual({
    stdout: 'out\n',
    stderr: 'err\n',
  })
})

test('input is written and closed', async () => {
  expect((await run('cat', [], { input: 'grüße\n' })).stdout).toBe('grüße\n')
})

test('open files are passed on as 3 and the following', async () => {
  const path = join(folder, 'passed')
  writeFileSync(path, 'from a file')
  const fd = openSync(path, 'r')
  expect((await run('sh', ['-c', 'cat <&3'], { files: [fd] })).stdout).toBe('from a file')
  closeSync(fd)
})

test('a program that does not read its input does not disturb', async () => {
  await expect(run('true', [], { input: 'x'.repeat(1_000_000) })).resolves.toBeDefined()
})

test('the environment is not inherited', async () => {
  process.env['OSTLER_TEST_LEAK'] = 'leaked'
  const { stdout } = await run('env', [])
  delete process.env['OSTLER_TEST_LEAK']
  expect(stdout).toContain('PATH=')
  expect(stdout).not.toContain('leaked')
})

test('the working folder is the one that was asked for', async () => {
  expect((await run('pwd', [], { cwd: folder })).stdout.trim()).toBe(folder)
})

test('another exit code is an error that knows the words, the code and what was said', async () => {
  const error = await failure(run('sh', ['-c', 'echo broken >&2; sleep 0.1; exit 3']))
  expect(error).toMatchObject({ exitCode: 3, signal: null, timedOut: false, stderr: 'broken\n' })
  expect(error.argv[0]).toBe('sh')
  expect(error.message).toBe('sh exited with 3: broken')
})

test('an error keeps the last 2 kB of standard error', async () => {
  const error = await failure(
    run('sh', ['-c', 'head -c 9000 /dev/zero | tr "\\0" x >&2; echo END >&2; sleep 0.1; exit 1']),
  )
  expect(error.stderr).toHaveLength(2048)
  expect(error.stderr.endsWith('xEND\n')).toBe(true)
})

test('a program that a signal ended is an error that names it', async () => {
  expect(await failure(run('sh', ['-c', 'kill -9 $$']))).toMatchObject({ exitCode: null, signal: 'SIGKILL' })
})

test('a program that is not there is an error, not an event', async () => {
  const error = await failure(run('/no/such/program', []))
  expect(error).toMatchObject({ exitCode: null, signal: null, timedOut: false })
  expect(error.message).toContain('could not be started')
})

test('a time-out ends the whole process group, grandchildren too', async () => {
  const pidFile = join(folder, 'grandchild')
  const script = `sh -c 'echo $$ > ${pidFile}; exec sleep 300' & wait`
  const error = await failure(run('sh', ['-c', script], { timeoutMs: 300 }))
  expect(error).toMatchObject({ timedOut: true, message: 'sh timed out' })
  expect(await gone(Number(readFileSync(pidFile, 'utf8')))).toBe(true)
})

test('a program that ignores TERM is killed', async () => {
  const script = 'trap "" TERM; while :; do sleep 0.05; done'
  expect(await failure(run('sh', ['-c', script], { timeoutMs: 100 }))).toMatchObject({
    timedOut: true,
    signal: 'SIGKILL',
  })
})

test('a signal ends the program', async () => {
  const abort = new AbortController()
  const ended = failure(run('sleep', ['300'], { signal: abort.signal }))
  abort.abort()
  expect(await ended).toMatchObject({ signal: 'SIGTERM', timedOut: false })
  expect(await failure(run('sleep', ['300'], { signal: AbortSignal.abort() }))).toMatchObject({
    signal: 'SIGTERM',
  })
})

test('a grandchild that holds the output open does not hold up the result', async () => {
  const pidFile = join(folder, 'holder')
  const { stdout } = await run('sh', ['-c', `sleep 300 & echo $! > ${pidFile}; echo done; sleep 0.1`])
  process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL')
  expect(stdout).toBe('done\n')
})

test('only the first bytes are kept, and a talkative program is not blocked', async () => {
  const { stdout } = await run('sh', ['-c', 'printf abcdef; head -c 5000000 /dev/zero'], { maxOutput: 4 })
  expect(stdout).toBe('abcd')
})

describe('output is told as it comes', () => {
  const heard = (lines: string, options: { maxOutput?: number; timeoutMs?: number } = {}) => {
    const chunks: Buffer[] = []
    const ended = run('sh', ['-c', lines], { ...options, onOutput: (chunk) => chunks.push(chunk) })
    return { ended, said: () => Buffer.concat(chunks).toString() }
  }

  test('before the program has ended', async () => {
    const pipe = join(folder, 'pipe')
    await run('mkfifo', [pipe])
    const { ended, said } = heard(`echo ready; cat ${pipe}`)
    while (said() !== 'ready\n') await sleep(10)
    writeFileSync(pipe, 'heard\n')
    await ended
    expect(said()).toBe('ready\nheard\n')
  })

  test('from both outputs, and is kept as well', async () => {
    const { ended, said } = heard('echo out; sleep 0.1; echo err >&2; sleep 0.1')
    expect(await ended).toEqual({ stdout: 'out\n', stderr: 'err\n' })
    expect(['out\nerr\n', 'err\nout\n']).toContain(said())
  })

  test('all of it, also what is not kept', async () => {
    const { ended, said } = heard('head -c 500000 /dev/zero | tr "\\0" x', { maxOutput: 0 })
    expect(await ended).toEqual({ stdout: '', stderr: '' })
    expect(said()).toBe('x'.repeat(500_000))
  })

  test('of a program that fails, too', async () => {
    const { ended, said } = heard('echo before; sleep 0.1; exit 3')
    expect(await failure(ended)).toMatchObject({ exitCode: 3 })
    expect(said()).toBe('before\n')
  })
})
