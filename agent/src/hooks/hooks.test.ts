import type { HookResult } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { SESSION_STATES } from '@ostler/contract/session.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { run } from '@ostler/kit/run.ts'
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadAgentConfig } from '../config/load.ts'
import type { AgentValues } from '../config/options.ts'
import { linuxPlatform } from '../platform/linux/platform.ts'
import { openHookLog } from './hook-log.ts'
import { Hooks } from './hooks.ts'

const DEFAULTS = loadAgentConfig({ own: '/no/such/file', qvd: '/no/such/file' }).values
const PATIENCE_MS = 30_000

let folder: string
let values: AgentValues
let results: HookResult[]
let hooks: Hooks
beforeEach(() => {
  if (process.getuid?.() !== 0) throw new Error('hooks must be files of root: run these tests as root')
  folder = mkdtempSync(join(tmpdir(), 'ostler-hooks-'))
  values = { ...DEFAULTS, 'path.run': join(folder, 'run') }
  results = []
  hooks = new Hooks({
    config: () => values,
    platform: linuxPlatform(() => values).hooks,
    run,
    hookLog: openHookLog(folder),
    log: silentLog,
    onResult: (result) => results.push(result),
  })
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Makes a script the hook of a key. It can tell what it was called with in `$told`. */
function install(key: keyof AgentValues & `vma.on_${string}`, lines: string): string {
  const file = join(folder, key)
  const told = join(folder, 'told')
  writeFileSync(file, `#!/bin/sh\ntold=${told}\n${lines}\n`)
  chmodSync(file, 0o755)
  values = { ...values, [key]: file }
  return file
}

const TELL = 'printf "%s\\n" "$@" > $told.draft; mv $told.draft $told'
function told(): string[] {
  return readFileSync(join(folder, 'told'), 'utf8').split('\n').slice(0, -1)
}
const untilTold = (): Promise<boolean> => comesToHold(() => existsSync(join(folder, 'told')), PATIENCE_MS, 20)

async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const error = await work.then(
    () => new Error('it succeeded'),
    (error: unknown) => error,
  )
  if (error instanceof Fault) return error
  throw error
}

describe('the hook of an action', () => {
  test('gets the parameters, then the state, then which action it is', async () => {
    install('vma.on_action.pre-connect', TELL)
    await hooks.action(
      'pre-connect',
      [
        ['qvd.vm.user.name', 'ann'],
        ['custom.x', ''],
      ],
      'suspended',
    )
    expect(told()).toEqual([
      'qvd.vm.user.name',
      'ann',
      'custom.x',
      '',
      'qvd.vm.session.state',
      'suspended',
      'qvd.hook.on_action',
      'pre_connect',
    ])
  })

  test('is waited for', async () => {
    install('vma.on_action.stop', `sleep 0.5; ${TELL}`)
    await hooks.action('stop', [], 'connected')
    expect(told()).toEqual(['qvd.vm.session.state', 'connected', 'qvd.hook.on_action', 'stop'])
  })

  test('that is not set changes nothing', async () => {
    await hooks.action('stop', [], 'connected')
    expect(results).toEqual([])
  })

  test('that fails prevents the action, and its last words are told', async () => {
    const file = install('vma.on_action.connect', 'echo no licence; exit 3')
    const fault = await faultOf(hooks.action('connect', [], 'starting'))
    expect(fault).toMatchObject({
      code: 'hook.failed',
      detail: { file, name: 'connect', rc: 3, said: 'no licence' },
    })
    expect(fault.message).toContain(`hook ${file} for connect failed, rc: 3`)
  })

  test('that a signal ended prevents the action', async () => {
    install('vma.on_action.connect', 'kill -9 $$')
    expect(await faultOf(hooks.action('connect', [], 'starting'))).toMatchObject({
      code: 'hook.failed',
      detail: { rc: 'signal' },
    })
  })

  test('that takes too long prevents the action, and the key that would give it time is told', async () => {
    install('vma.on_action.suspend', 'exec sleep 300')
    values = { ...values, 'vma.on_action.suspend.timeout': 1 }
    expect(await faultOf(hooks.action('suspend', [], 'connected'))).toMatchObject({
      code: 'hook.timeout',
      detail: { name: 'suspend', seconds: 1, key: 'vma.on_action.suspend.timeout' },
    })
  })

  test('that a user could have changed is not run, and prevents the action', async () => {
    const file = install('vma.on_action.connect', TELL)
    chownSync(file, 4711, 0)
    expect(await faultOf(hooks.action('connect', [], 'starting'))).toMatchObject({
      code: 'hook.refused',
      detail: { file, reason: `${file} belongs to user 4711, not to root` },
    })
    expect(existsSync(join(folder, 'told'))).toBe(false)
  })

  test('is ended when nobody wants the action any more, for the reason that the caller has', async () => {
    install('vma.on_action.connect', `${TELL}; exec sleep 300`)
    const abort = new AbortController()
    const reason = new Error('given up')
    const ended = hooks.action('connect', [], 'starting', abort.signal).catch((error: unknown) => error)
    expect(await untilTold()).toBe(true)
    abort.abort(reason)
    expect(await ended).toBe(reason)
  })

  test('is the one that is configured at that moment', async () => {
    install('vma.on_action.stop', 'exit 1')
    await faultOf(hooks.action('stop', [], 'connected'))
    values = { ...values, 'vma.on_action.stop': '' }
    await hooks.action('stop', [], 'connected')
  })
})

describe('the hook of provisioning', () => {
  test('gets the parameters and which step it is, and its success replaces what we would do', async () => {
    install('vma.on_provisioning.add_user', TELL)
    expect(await hooks.provisioning('add_user', [['qvd.vm.user.name', 'ann']])).toBe(true)
    expect(told()).toEqual(['qvd.vm.user.name', 'ann', 'qvd.hook.on_provisioning', 'add_user'])
  })

  test('that is not set leaves it to us', async () => {
    expect(await hooks.provisioning('mount_home', [])).toBe(false)
  })

  test('that fails ends provisioning', async () => {
    install('vma.on_provisioning.mount_home', 'exit 1')
    expect((await faultOf(hooks.provisioning('mount_home', []))).code).toBe('hook.failed')
  })
})

describe('the hook of a state', () => {
  test.each([
    ['connected', 'vma.on_state.connected', 'connected'],
    ['suspended', 'vma.on_state.suspended', 'suspended'],
    ['stopped', 'vma.on_state.disconnected', 'stopped'],
  ] as const)('%s is %s, and hears nothing but "%s"', async (state, key, word) => {
    install(key, TELL)
    hooks.state(state)
    expect(await untilTold()).toBe(true)
    expect(told()).toEqual(['qvd.hook.on_state', word])
  })

  test('is not waited for, and its failure changes nothing but the news', async () => {
    install('vma.on_state.connected', 'sleep 0.5; echo alas; exit 9')
    hooks.state('connected')
    expect(results).toEqual([])
    expect(await comesToHold(() => results.length > 0, PATIENCE_MS, 20)).toBe(true)
    expect(results[0]).toMatchObject({
      hook: 'vma.on_state.connected',
      for: 'connected',
      exit: 9,
      text: 'alas',
    })
  })

  test('does not exist for the other states: nothing is begun', () => {
    install('vma.on_state.connected', TELL)
    for (const state of SESSION_STATES)
      if (!['connected', 'suspended', 'stopped'].includes(state)) hooks.state(state)
    expect(existsSync(join(folder, 'qvd-hooks.log'))).toBe(false)
  })
})

test('every hook finds the parameters of the session and its display in its environment', async () => {
  install('vma.on_state.connected', `env > $told.draft; mv $told.draft $told`)
  hooks.describeSession([['qvd.vm.user.name', 'ann']])
  hooks.state('connected')
  expect(await untilTold()).toBe(true)
  expect(told()).toEqual(
    expect.arrayContaining([
      'OSTLER_QVD_VM_USER_NAME=ann',
      'OSTLER_QVD_HOOK_ON_STATE=connected',
      'DISPLAY=:100',
      `XAUTHORITY=${folder}/run/Xauthority`,
      'HOME=/root',
    ]),
  )
})

test('what hooks print is in the log of hooks, errors too', async () => {
  const file = install('vma.on_action.stop', 'echo out; echo err >&2')
  await hooks.action('stop', [], 'connected')
  const log = readFileSync(join(folder, 'qvd-hooks.log'), 'utf8')
  expect(log).toContain(`opened for stop: ${file}\n`)
  expect(log).toContain('out\n')
  expect(log).toContain('err\n')
})

test('the result of each hook is told, also of one that was refused', async () => {
  install('vma.on_action.stop', 'echo done')
  await hooks.action('stop', [], 'connected')
  values = { ...values, 'vma.on_action.stop': '/no/such/hook' }
  await faultOf(hooks.action('stop', [], 'connected'))
  expect(results).toEqual([
    { hook: 'vma.on_action.stop', for: 'stop', exit: 0, ms: expect.any(Number) as number, text: 'done' },
    {
      hook: 'vma.on_action.stop',
      for: 'stop',
      exit: null,
      ms: expect.any(Number) as number,
      text: 'there is no such file',
    },
  ])
})
