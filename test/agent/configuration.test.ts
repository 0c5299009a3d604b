import { run, RunError } from '@ostler/kit/run.ts'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { type Guest, type GuestSettings, recorder, startGuest } from '../fixtures/guest.ts'
import { until } from '../fixtures/world.ts'

const VMA = [
  join(import.meta.dirname, '../../build/agent/node'),
  join(import.meta.dirname, '../../build/agent/vma.cjs'),
]
const USER = { 'qvd.vm.user.name': 'ann' }

let guest: Guest | undefined
afterEach(async () => {
  await guest?.[Symbol.asyncDispose]()
  guest = undefined
})

async function open(settings: GuestSettings): Promise<Guest> {
  guest = await startGuest({ plain: true, ...settings })
  return guest
}

test("QVD's own file is read where there is no other, with QVD's folders", async () => {
  const made = await open({
    configFile: '/etc/qvd/vma.conf',
    config: [
      '# as an administrator of QVD wrote it',
      'vma.user.default.name: \\',
      '  pat',
      'vma.on_state.connected =',
      'vma.user.shel = /bin/sh',
    ],
  })
  expect((await made.simple('x_start')).result).toBe('starting')
  await made.untilState('listening')
  expect(made.read('/run/qvd/nxagent.conf')).toMatch(/^nx\/nx,.*:100\n$/)
  expect(made.read('/var/log/qvd/qvd.log')).toContain('did you mean')
  expect(await made.inside('getent', 'passwd', 'pat')).toMatch(/:\/home\/pat:\/bin\/bash\n$/)
})

test('ostler-vma config prints the effective values and where they come from', async () => {
  const made = await open({ config: ['vma.user.shell = /bin/sh', 'path.log = ${path.tmp}/logs'] })
  const printed = (await made.inside(...VMA, 'config')).split('\n')
  const line = (key: string): string => printed.find((text) => text.startsWith(`${key} =`)) ?? ''
  expect(line('vma.user.shell')).toMatch(/^vma\.user\.shell = \/bin\/sh +# \/etc\/ostler\/vma\.conf:2$/)
  expect(line('path.log')).toMatch(/= \/var\/tmp\/logs +# \/etc\/ostler\/vma\.conf:3$/)
  expect(line('vma.hook.timeout')).toMatch(/= 60 +# default$/)
})

test('all that is wrong with a file is said at once, and nothing is started', async () => {
  const made = await open({})
  writeFileSync(
    made.path('/etc/ostler/vma.conf'),
    'vma.user.shell = sh\nvma.hook.timeout = soon\nno separator here\nvma.on_action.conect = /x\nvma.user.home.path = ${nothing}\n',
  )
  const failure = await made.inside(...VMA, 'config').catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(RunError)
  expect(failure).toMatchObject({ exitCode: 78 })
  const said = (failure as RunError).stderr
  for (const problem of [':1: vma.user.shell', ':2: vma.hook.timeout', ':5: vma.user.home.path'])
    expect(said).toContain(`/etc/ostler/vma.conf${problem}`)
})

test('SIGHUP reads the file again: what runs is not touched, the next session is begun with the new values', async () => {
  const made = await open({ config: ['vma.user.shell = /bin/bash'], files: { '/etc/hook': recorder() } })
  await made.simple('x_start', USER)
  await made.untilState('listening')
  const session = await made.pidOf('^/usr/bin/nxagent')
  const file = made.path('/etc/ostler/vma.conf')
  const rest = 'vma.compat.plaintext = 1\ncommand.x-session = /usr/bin/xterm\n'
  await reload(made, file, `${rest}internal.nxagent.timeout.listening = none\n`, 'stays as it was')
  await reload(made, file, `${rest}vma.on_action.pre-connect = /etc/hook\n`, 'configuration read again')
  expect(await made.pidOf('^/usr/bin/nxagent')).toBe(session)
  await made.simple('x_stop')
  await made.untilState('stopped')
  expect(made.hookCalls()).toEqual([])
  await made.simple('x_start', USER)
  await made.untilState('listening')
  expect(made.hookCalls().map(({ argv }) => argv.at(-1))).toEqual(['pre_connect'])
})

async function reload(made: Guest, file: string, content: string, heard: string): Promise<void> {
  writeFileSync(file, content)
  await made.inside('pkill', '-HUP', '-f', 'vma.cjs')
  await until('the agent to say so', () => made.read('/var/log/ostler/qvd.log').includes(heard))
}

test('an agent says what it is', async () => {
  expect((await run(VMA[0] ?? '', [VMA[1] ?? '', '--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  expect((await run(VMA[0] ?? '', [VMA[1] ?? '', '--help'])).stdout).toContain('usage: ostler-vma')
})
