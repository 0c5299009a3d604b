import { build } from 'esbuild'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { openLog, silentLog } from './log.ts'
import type { LogLevel } from './log/level.ts'
import type { LogSettings } from './log/options.ts'
import { run } from './run.ts'
import { Secret } from './secret.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-log-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
async function fileLog(level: LogLevel = 'INFO') {
  const path = join(folder, `${++files}.log`)
  const settings = { level, file: { path, size: 1 << 30, max: 2 } }
  const log = await openLog({ name: 'test', settings })
  const lines = (): Record<string, unknown>[] =>
    readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  return { log, path, lines, [Symbol.asyncDispose]: () => log.close() }
}

test('a line is one JSON object: time, level, message, process, and the fields', async () => {
  await using file = await fileLog()
  file.log.info('desktop left booting', { vm: 7, took: 1.5 })
  const [line] = file.lines()
  expect(Object.keys(line ?? {})).toEqual(['timestamp', 'level', 'message', 'process', 'pid', 'vm', 'took'])
  expect(line).toMatchObject({
    level: 'info',
    message: 'desktop left booting',
    process: 'test',
    pid: process.pid,
    vm: 7,
  })
  expect(Date.parse(String(line?.['timestamp']))).toBeGreaterThan(0)
})

test('a line is in the file when the call returns', async () => {
  await using file = await fileLog()
  for (let i = 1; i <= 100; i++) {
    file.log.info('x')
    expect(file.lines()).toHaveLength(i)
  }
})

describe('levels are those of QVD', () => {
  const all = ['debug', 'info', 'warn', 'error', 'fatal'] as const
  test.each([
    ['ALL', all],
    ['TRACE', all],
    ['DEBUG', all],
    ['INFO', ['info', 'warn', 'error', 'fatal']],
    ['WARN', ['warn', 'error', 'fatal']],
    ['ERROR', ['error', 'fatal']],
    ['FATAL', ['fatal']],
  ] as const)('%s writes %j', async (level, written) => {
    await using file = await fileLog(level)
    for (const one of all) file.log[one]('said')
    expect(file.lines().map((line) => line['level'])).toEqual(written)
  })

  test('OFF writes nothing, not even a file', async () => {
    await using file = await fileLog('OFF')
    for (const one of all) file.log[one]('said')
    expect(() => file.lines()).toThrow('ENOENT')
  })
})

test('a child has its parents’ fields on every line, and its own win', async () => {
  await using file = await fileLog()
  const child = file.log.child({ vm: 7, user: 'ann' }).child({ connection: 'c', user: 'bob' })
  child.info('x', { connection: 'd' })
  file.log.info('y')
  expect(file.lines()[0]).toMatchObject({ vm: 7, user: 'bob', connection: 'd' })
  expect(file.lines()[1]).not.toHaveProperty('vm')
})

test('fields cannot say what the level or the message is', async () => {
  await using file = await fileLog()
  file.log.info('%s happened', { level: 'fatal', message: 'other' })
  expect(file.lines()).toEqual([expect.objectContaining({ level: 'info', message: '%s happened' })])
})

test('a secret is not in the file', async () => {
  await using file = await fileLog()
  file.log.child({ token: 'hush1' }).info("Authentication cookie 'hush2' doesn't match 'hush3'", {
    password: 'hush4',
    secret: new Secret('hush5'),
    error: new Error('Authorization: Basic hush6', { cause: new Error('password=hush7') }),
  })
  expect(readFileSync(file.path, 'utf8')).not.toContain('hush')
})

test('fields that throw when they are read cost nothing but themselves', async () => {
  await using file = await fileLog()
  const fields = {
    get bad(): string {
      throw new Error('no')
    },
  }
  file.log.info('lost', fields)
  file.log.child(fields).info('lost')
  file.log.info('written')
  expect(file.lines().map((line) => line['message'])).toEqual(['written'])
})

test('closing twice is closing once, and what is logged afterwards goes nowhere', async () => {
  const { log, lines } = await fileLog()
  log.info('written')
  const first = log.close()
  expect(log.close()).toBe(first)
  await first
  log.info('late')
  log.child({}).info('late')
  expect(lines()).toHaveLength(1)
})

test('the silent log is silent', async () => {
  silentLog.child({ a: 1 }).fatal('x')
  await silentLog.close()
})

test('20 000 lines in a row are all there', async () => {
  await using file = await fileLog()
  for (let number = 0; number < 20_000; number++) file.log.info('burst', { number })
  expect(file.lines().map((line) => line['number'])).toEqual(Array.from({ length: 20_000 }, (_, i) => i))
})

/** Runs a program of its own that has `openLog`. */
async function runProgram(settings: LogSettings, body: string, shell = 'exec "$@"'): Promise<string> {
  const program = join(folder, `${++files}.mjs`)
  writeFileSync(
    program,
    `import { openLog } from '${join(import.meta.dirname, 'log.ts')}'
     const log = await openLog({ name: 'test', settings: ${JSON.stringify(settings)} })
     ${body}`,
  )
  return (await run('sh', ['-c', shell, 'sh', process.execPath, program])).stdout
}

describe('standard output', () => {
  test.each([
    ['a pipe', 'exec "$@"'],
    ['a file', '"$@" > "$0.out"; cat "$0.out"'],
    ['a pipe whose other end is slow', '"$@" | { sleep 0.3; cat; }'],
  ])('is %s', async (_, shell) => {
    const output = await runProgram(
      { level: 'INFO' },
      `for (let number = 0; number < 1000; number++) log.info('line', { number, text: 'x'.repeat(300) })
       await log.close()`,
      shell.replaceAll('$0', join(folder, 'stdout')),
    )
    const numbers = output
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { number: number }).number)
    expect(numbers).toEqual(Array.from({ length: 1_000 }, (_, index) => index))
  })

  test('has an end that nobody reads: the process goes on', async () => {
    const done = join(folder, 'done')
    await runProgram(
      { level: 'INFO' },
      `import { setTimeout as sleep } from 'node:timers/promises'
       import { writeFileSync } from 'node:fs'
       for (let i = 0; i < 30; i++) { log.info('line'); await sleep(10) }
       await log.close()
       writeFileSync('${done}', 'went on')`,
      '"$@" | true',
    )
    expect(readFileSync(done, 'utf8')).toBe('went on')
  })

  test('has a reader that has stopped reading: lines are lost, and the process ends in time', async () => {
    const done = join(folder, 'ended')
    await runProgram(
      { level: 'INFO' },
      `import { writeFileSync } from 'node:fs'
       for (let i = 0; i < 20000; i++) log.info('line', { text: 'x'.repeat(300) })
       await log.close()
       writeFileSync('${done}', 'went on')
       process.exit(0)`,
      `"$@" | { while ! [ -e '${done}' ]; do sleep 0.05; done; }`,
    )
    expect(readFileSync(done, 'utf8')).toBe('went on')
  })
})

test('a log that nobody closes does not keep the process alive', async () => {
  const file = { path: join(folder, 'alive.log'), size: 1 << 20, max: 2 }
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  for (const target of [
    { kind: 'udp', host: '127.0.0.1', port: 9 },
    { kind: 'tcp', host: '127.0.0.1', port: 9 },
    { kind: 'tcp', host: '127.0.0.1', port },
    { kind: 'local', socket: '/dev/null/none' },
  ] as const)
    await runProgram(
      { level: 'INFO', file, syslog: { target, facility: 'daemon' } },
      `import { setTimeout as sleep } from 'node:timers/promises'
       log.info('x')
       await sleep(100)`,
    )
  server.close()
  expect(readFileSync(file.path, 'utf8').match(/"x"/g)).toHaveLength(4)
})

test('bundled as one file it works too, and loads what is configured only', async () => {
  const program = join(folder, 'program.ts')
  const outfile = join(folder, 'program.cjs')
  writeFileSync(
    program,
    `import { openLog } from '${join(import.meta.dirname, 'log.ts')}'
     async function main() {
       const log = await openLog({ name: 'test', settings: JSON.parse(process.argv[2] ?? '') })
       log.info('bundled')
       const loaded = process.moduleLoadList.includes('NativeModule dgram')
       log.info(loaded ? 'with dgram' : 'without dgram')
       await log.close()
     }
     void main()`,
  )
  await build({
    entryPoints: [program],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    minify: true,
  })
  const said = async (settings: LogSettings): Promise<unknown[]> => {
    const { stdout } = await run(process.execPath, [outfile, JSON.stringify(settings)])
    return stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { message: unknown }).message)
  }
  const syslog = { target: { kind: 'udp', host: '127.0.0.1', port: 9 }, facility: 'daemon' } as const
  expect(await said({ level: 'INFO' })).toEqual(['bundled', 'without dgram'])
  expect(await said({ level: 'INFO', syslog })).toEqual(['bundled', 'with dgram'])
})
