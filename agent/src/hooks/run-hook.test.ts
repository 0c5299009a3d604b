import { comesToHold } from '@ostler/kit/poll.ts'
import { identify } from '@ostler/kit/process-table.ts'
import { DEFAULT_ENV, run } from '@ostler/kit/run.ts'
import fc from 'fast-check'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import type { ConfiguredHook } from './hook-table.ts'
import { type HookPlatform, type HookSurroundings, pairEnvironment, type Pairs, runHook } from './run-hook.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-run-hook-'))
afterAll(() => rmSync(folder, { recursive: true }))

const LINUX: HookPlatform = {
  environment: { ...DEFAULT_ENV, HOME: '/root' },
  problem: () => undefined,
  command: (file, args) => ({ command: file, args }),
}

let printed = ''
beforeEach(() => {
  printed = ''
})

let scripts = 0
/** Writes a hook and runs it. */
function runScript(
  lines: string,
  pairs: Pairs = [],
  more: Partial<HookSurroundings> = {},
  timeoutMs = 60_000,
) {
  const file = join(folder, `hook-${++scripts}`)
  writeFileSync(file, lines.startsWith('#!') ? lines : `#!/bin/sh\n${lines}\n`, { mode: 0o755 })
  return runFile(file, pairs, more, timeoutMs)
}

function runFile(file: string, pairs: Pairs = [], more: Partial<HookSurroundings> = {}, timeoutMs = 60_000) {
  const hook: ConfiguredHook = { key: 'vma.on_action.connect', word: 'connect', file, timeoutMs }
  return runHook(hook, pairs, {
    platform: LINUX,
    run,
    output: (chunk) => (printed += chunk.toString('utf8')),
    sessionPairs: [],
    environment: {},
    ...more,
  })
}

describe('a hook is called', () => {
  test('with a token in its environment alone, for arguments can be read by every user', async () => {
    const pairs: Pairs = [
      ['auth_token', 'hush'],
      ['custom.a', '1'],
    ]
    await runScript(`printf '%s ' "$@" "env=$OSTLER_AUTH_TOKEN"`, pairs)
    expect(printed).toBe('custom.a 1 env=hush ')
  })

  test('with the pairs as its arguments, in order and as they are', async () => {
    const pairs: Pairs = [
      ['custom.greeting', 'grüß; Gott "$HOME" `id` *'],
      ['qvd.vm.user.name', 'ann'],
      ['empty', ''],
    ]
    await runScript(`printf '%s\\0' "$@" > ${folder}/arguments`, pairs)
    expect(readFileSync(join(folder, 'arguments'), 'utf8').split('\0').slice(0, -1)).toEqual(pairs.flat())
  })

  test('with the pairs in its environment, those of the session too, and its own win', async () => {
    await runScript(`env > ${folder}/environment`, [['qvd.hook.on-state', 'connected']], {
      sessionPairs: [
        ['qvd.vm.user.name', 'ann'],
        ['qvd.hook.on_state', 'old'],
      ],
      environment: { DISPLAY: ':100' },
    })
    const environment = readFileSync(join(folder, 'environment'), 'utf8').split('\n')
    expect(environment).toContain('OSTLER_QVD_VM_USER_NAME=ann')
    expect(environment).toContain('OSTLER_QVD_HOOK_ON_STATE=connected')
    expect(environment).toContain('DISPLAY=:100')
    expect(environment).toContain('HOME=/root')
    expect(environment).toContain(`PATH=${DEFAULT_ENV.PATH}`)
  })

  test('with nothing else of our environment', async () => {
    process.env['OSTLER_TEST_LEAK'] = 'leaked'
    await runScript('env')
    delete process.env['OSTLER_TEST_LEAK']
    expect(printed).not.toContain('leaked')
  })

  test('in the root folder, with nothing to read', async () => {
    await runScript('pwd; readlink /proc/self/fd/0; cat; echo end')
    expect(printed).toBe('/\n/dev/null\nend\n')
  })

  test('the way the platform says', async () => {
    const platform: HookPlatform = {
      ...LINUX,
      command: (file, args) => ({ command: '/bin/sh', args: ['-c', 'echo "$0 $@"', file, ...args] }),
    }
    await runFile('C:\\hook.ps1', [['a', 'b']], { platform })
    expect(printed).toBe('C:\\hook.ps1 a b\n')
  })

  test('not at all when its file has a problem', async () => {
    const touched = join(folder, 'touched')
    const platform: HookPlatform = { ...LINUX, problem: () => Promise.resolve('it belongs to user 4711') }
    expect(await runScript(`touch ${touched}`, [], { platform })).toMatchObject({
      kind: 'refused',
      exit: null,
      text: 'it belongs to user 4711',
    })
    expect(existsSync(touched)).toBe(false)
  })
})

describe('what became of a hook', () => {
  test('that succeeded: its last line, and which hook it was', async () => {
    const end = await runScript('echo first; echo; echo "  last "; echo')
    expect(end).toMatchObject({
      kind: 'succeeded',
      hook: 'vma.on_action.connect',
      for: 'connect',
      exit: 0,
      text: 'last',
    })
    expect(end.ms).toBeGreaterThanOrEqual(0)
  })

  test('that printed line by line: only the last one', async () => {
    expect((await runScript('echo mounting; sleep 0.2; echo mounted')).text).toBe('mounted')
    expect((await runScript('printf half; sleep 0.2; echo -way')).text).toBe('half-way')
  })

  test('whose letters came in pieces: whole letters', async () => {
    expect((await runScript("printf 'sch\\303'; sleep 0.2; printf '\\266n'")).text).toBe('schön')
  })

  test('that failed: its exit code and its last line', async () => {
    expect(await runScript('echo asking >&2; echo no licence >&2; exit 7')).toMatchObject({
      kind: 'failed',
      exit: 7,
      text: 'no licence',
    })
  })

  test('that failed without a word: how it ended', async () => {
    expect(await runScript('exit 3')).toMatchObject({ kind: 'failed', exit: 3 })
    expect((await runScript('exit 3')).text).toMatch(/exited with 3$/)
    expect(await runScript('kill -9 $$')).toMatchObject({ kind: 'failed', exit: null })
  })

  test('whose interpreter is missing: it failed, and why', async () => {
    const end = await runScript('#!/no/such/interpreter\n')
    expect(end).toMatchObject({ kind: 'failed', exit: null })
    expect(end.text).toContain('could not be started')
  })

  test('that does not say its interpreter: /bin/sh is it, as for QVD', async () => {
    const file = join(folder, `hook-${++scripts}`)
    writeFileSync(file, 'echo "$1"', { mode: 0o755 })
    expect(await runFile(file, [['a', 'b']])).toMatchObject({ kind: 'succeeded', text: 'a' })
  })

  test('whose arguments no program can have: it failed, and nothing is thrown', async () => {
    expect(await runScript('true', [['name', 'with\0NUL']])).toMatchObject({ kind: 'failed', exit: null })
    const large = Array.from({ length: 40 }, (_, index) => [`key${index}`, 'x'.repeat(120_000)] as const)
    expect(await runScript('true', large)).toMatchObject({ kind: 'failed', exit: null })
  })

  test('that took too long: it is gone with all that it has started', async () => {
    const script = `sh -c 'trap "" TERM; echo $$ > ${folder}/child; while :; do sleep 0.1; done' & echo waiting; wait`
    const end = await runScript(script, [], {}, 1_000)
    expect(end).toMatchObject({ kind: 'timedOut', exit: null, text: 'not ended after 1 s' })
    const child = Number(readFileSync(join(folder, 'child'), 'utf8'))
    expect(await comesToHold(() => identify(child) === undefined, 10_000, 20)).toBe(true)
  })

  test('that is no longer wanted: it is ended', async () => {
    const abort = new AbortController()
    const started = join(folder, 'started')
    const ended = runScript(`touch ${started}; exec sleep 300`, [], { signal: abort.signal })
    expect(await comesToHold(() => existsSync(started), 30_000, 20)).toBe(true)
    abort.abort()
    expect(await ended).toMatchObject({ kind: 'failed', exit: null })
  })

  test('that talks much: 500 characters', async () => {
    expect((await runScript('head -c 3000 /dev/zero | tr "\\0" x')).text).toBe('x'.repeat(500))
  })
})

test('of a hook that prints without end 64 kB are kept, and it is not held up', async () => {
  const end = await runScript('head -c 3000000 /dev/zero | tr "\\0" x; echo; echo last')
  expect(end).toMatchObject({ kind: 'succeeded', text: 'last' })
  expect(printed.replace(/x+/, '')).toBe('\n[more was printed and is not kept]\n')
  expect(printed.indexOf('\n')).toBe(65_536)
})

describe('a pair in the environment', () => {
  test('has the letters, digits and nothing else of its key', () => {
    expect(pairEnvironment([['qvd.client.nxagent.extra_args', 'cache=1']])).toEqual({
      OSTLER_QVD_CLIENT_NXAGENT_EXTRA_ARGS: 'cache=1',
    })
  })

  test('never has a name that means something to a program, whatever the key', () => {
    const key = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('LD_PRELOAD', 'PATH', '__proto__', 'a=b', 'a\nPATH', '', 'ß', '\0'),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(key, fc.string())), (pairs) => {
        const entries = Object.entries(pairEnvironment(pairs))
        for (const [name] of entries) expect(name).toMatch(/^OSTLER_[A-Z0-9_]*$/)
        const values = new Set(pairs.map(([, value]) => value))
        for (const [, value] of entries) expect(values).toContain(value)
      }),
    )
  })
})
