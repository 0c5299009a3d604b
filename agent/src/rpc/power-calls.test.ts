import type { SessionState } from '@ostler/contract/session.ts'
import { type Log, silentLog } from '@ostler/kit/log.ts'
import { Observable } from '@ostler/kit/observable.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { run } from '@ostler/kit/run.ts'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadAgentConfig } from '../config/load.ts'
import type { DesktopSession } from '../desktop/desktop-session.ts'
import { openHookLog } from '../hooks/hook-log.ts'
import { Hooks } from '../hooks/hooks.ts'
import { linuxPlatform } from '../platform/linux/platform.ts'
import { powerCalls } from './power-calls.ts'

const DEFAULTS = loadAgentConfig({ own: '/no/such/file', qvd: '/no/such/file' }).values
const PATIENCE_MS = 30_000

let folder: string
let done: string[]
beforeEach(() => {
  if (process.getuid?.() !== 0) throw new Error('hooks must be files of root: run these tests as root')
  folder = mkdtempSync(join(tmpdir(), 'ostler-power-calls-'))
  done = []
})
afterEach(() => rmSync(folder, { recursive: true }))

const told = (): string[] => readFileSync(join(folder, 'told'), 'utf8').split('\n').slice(0, -1)
const untilDone = (step: string): Promise<boolean> => comesToHold(() => done.includes(step), PATIENCE_MS, 10)

interface Desktop {
  /** Lines of the hook's script. */
  readonly hook?: string
  readonly state?: SessionState
  readonly sessionFails?: boolean
  /** So many times the machine cannot be halted. */
  readonly haltFails?: number
}

/** A desktop with a real hook for both actions, that notes what is done to it. */
function desktop({ hook, state = 'connected', sessionFails = false, haltFails = 0 }: Desktop) {
  const file = join(folder, 'hook')
  if (hook !== undefined) writeFileSync(file, `#!/bin/sh\ntold=${folder}/told\n${hook}\n`, { mode: 0o755 })
  const set = hook === undefined ? '' : file
  const values = { ...DEFAULTS, 'vma.on_action.poweroff': set, 'vma.on_action.expire': set }
  const note = (message: string): void => void done.push(`log: ${message}`)
  const log: Log = { ...silentLog, warn: note, error: note }
  const hooks = new Hooks({
    config: () => values,
    platform: linuxPlatform(() => values).hooks,
    run,
    hookLog: openHookLog(folder),
    log: silentLog,
    onResult: ({ for: word }) => done.push(`hook ${word}`),
  })
  const never = (): never => {
    throw new Error('nobody asks for that')
  }
  const session: DesktopSession = {
    news: new Observable({ state, session: 1 }),
    state,
    account: undefined,
    recover: never,
    look: never,
    start: never,
    suspend: never,
    stop: never,
    halt: async () => {
      done.push('session')
      if (sessionFails) throw new Error('it answers to nothing')
    },
    tellHook: never,
    release: never,
  }
  let failures = haltFails
  const halt = async (): Promise<void> => {
    done.push('machine')
    if (failures-- > 0) throw new Error('systemctl is not there')
  }
  return powerCalls({ session, hooks, halt, log })
}

describe('poweroff', () => {
  test('answers at once, then runs the hook, ends the session, halts: one after the other', async () => {
    const { poweroff } = desktop({ hook: 'sleep 0.3; printf "%s\\n" "$@" > $told' })
    expect(await poweroff({})).toEqual({})
    expect(done).toEqual([])
    expect(await untilDone('machine')).toBe(true)
    expect(done).toEqual(['hook poweroff', 'session', 'machine'])
    expect(told()).toEqual(['qvd.vm.session.state', 'connected', 'qvd.hook.on_action', 'poweroff'])
  })

  test('without a hook halts as well', async () => {
    await desktop({}).poweroff({})
    expect(await untilDone('machine')).toBe(true)
    expect(done).toEqual(['session', 'machine'])
  })

  test('is prevented by a hook that fails, and can be asked for again', async () => {
    const { poweroff } = desktop({ hook: `test -e ${folder}/allowed` })
    await poweroff({})
    expect(await untilDone('log: poweroff hook prevents the halt')).toBe(true)
    expect(done).not.toContain('session')
    writeFileSync(join(folder, 'allowed'), '')
    await poweroff({})
    expect(await untilDone('machine')).toBe(true)
  })

  test('halts a desktop whose session does not end', async () => {
    await desktop({ sessionFails: true }).poweroff({})
    expect(await untilDone('machine')).toBe(true)
    expect(done).toEqual(['session', 'log: session did not stop before the halt', 'machine'])
  })

  test('that is asked for again while it is under way is done once', async () => {
    const { poweroff } = desktop({ hook: `touch ${folder}/began; sleep 0.5` })
    await poweroff({})
    expect(await comesToHold(() => existsSync(join(folder, 'began')), PATIENCE_MS, 10)).toBe(true)
    await Promise.all([poweroff({}), poweroff({})])
    expect(await untilDone('machine')).toBe(true)
    expect(done).toEqual(['hook poweroff', 'session', 'machine'])
  })

  test('that could not halt the machine is told, and can be asked for again', async () => {
    const { poweroff } = desktop({ haltFails: 1 })
    await poweroff({})
    expect(await untilDone('log: halt failed')).toBe(true)
    done = []
    await poweroff({})
    expect(await untilDone('machine')).toBe(true)
    expect(done).toEqual(['session', 'machine'])
  })
})

describe('expire', () => {
  const TELL = 'printf "%s\\n" "$@" > $told'
  const soft = '2030-01-01 10:00:00'
  const hard = '2030-02-01 10:00:00'
  const trailing = ['qvd.vm.session.state', 'suspended', 'qvd.hook.on_action', 'expire']

  test.each([
    ['both times', { hard, soft }, ['vm.expiration.soft', soft, 'vm.expiration.hard', hard]],
    ['the soft one', { soft }, ['vm.expiration.soft', soft]],
    ['the hard one', { hard }, ['vm.expiration.hard', hard]],
    ['none', {}, []],
  ])('tells the hook %s, in pairs', async (_, times, pairs) => {
    const { expire } = desktop({ hook: TELL, state: 'suspended' })
    expect(await expire(times)).toEqual({})
    expect(told()).toEqual([...pairs, ...trailing])
  })

  test('waits for the hook, and fails with it', async () => {
    const { expire } = desktop({ hook: 'echo nobody home; exit 4' })
    await expect(expire({ soft })).rejects.toMatchObject({
      code: 'hook.failed',
      detail: { rc: 4, said: 'nobody home' },
    })
  })

  test('without a hook does nothing', async () => {
    expect(await desktop({}).expire({ soft })).toEqual({})
    expect(done).toEqual([])
  })
})
