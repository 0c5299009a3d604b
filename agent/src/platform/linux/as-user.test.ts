import { run } from '@ostler/kit/run.ts'
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { asUserWith, dropInheritable } from './as-user.ts'
import { PrivateSystem } from './private-system.ts'

const PATH: Record<string, string> = { PATH: '/usr/bin:/bin' }
const ANN = { name: 'ann', uid: 4711, gid: 4711, home: '/home/ann', shell: '/bin/sh' }

/** As a process with inherited capabilities: what its programs have before, and after what we drop. */
const INHERIT = `
echo "before $(grep CapInh /proc/self/status)"
words=$("$0" --input-type=module --eval "
import { dropInheritable } from '${import.meta.dirname}/as-user.ts'
console.log(dropInheritable().join(' '))")
echo "after $(setpriv $words -- grep CapInh /proc/self/status)"
`

let system: PrivateSystem
beforeEach(async () => {
  system = await PrivateSystem.open()
  await system.shell(`groupadd --gid 4811 scanners; groupadd --gid 4812 strangers
groupadd --gid 4711 ann; useradd --uid 4711 --gid 4711 --groups scanners --create-home ann`)
})
afterEach(async () => {
  await system[Symbol.asyncDispose]()
})

async function printedBy(
  command: string,
  args: readonly string[],
  env = PATH,
  account = ANN,
): Promise<string> {
  const { printed, exit } = await system.call('asUser', account, command, args, env)
  expect(exit).toBe(0)
  return printed
}

test('a program runs with the numbers and the groups of the user, and none of ours', async () => {
  expect(await printedBy('id', [])).toBe('uid=4711(ann) gid=4711(ann) groups=4711(ann),4811(scanners)\n')
})

test('a program has no privilege of ours, and cannot get it back', async () => {
  const status = await printedBy('cat', ['/proc/self/status'])
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'])
    expect(status).toMatch(new RegExp(`^${set}:\\s0+$`, 'm'))
  expect(status).toMatch(/^Uid:\s4711\s4711\s4711\s4711$/m)
  expect(status).toMatch(/^Gid:\s4711\s4711\s4711\s4711$/m)
})

test.each([
  ['0000000000000000', []],
  ['0000000000000001', ['--inh-caps=-cap_0']],
  ['0000018000000021', ['--inh-caps=-cap_0,-cap_5,-cap_39,-cap_40']],
])('of what would be inherited, %s, each capability is dropped by its number', (set, words) => {
  expect(dropInheritable(`Name:\tvma\nCapInh:\t${set}\nCapPrm:\t000001ffffffffff\n`)).toEqual(words)
})

test('a program inherits no capability of ours', async () => {
  const lent = ['--inh-caps=+chown,+kill', '--', 'sh', '-c', INHERIT, process.execPath]
  const { stdout } = await run('setpriv', lent, { timeoutMs: 60_000, env: process.env })
  expect(stdout).toMatch(/^before CapInh:\s+0+21\nafter CapInh:\s+0+\n$/)
})

test('a program may become somebody else by the means of the system, such as sudo', async () => {
  expect(await printedBy('cat', ['/proc/self/status'])).toMatch(/^NoNewPrivs:\s0$/m)
})

test('a program has the environment that was given and nothing else', async () => {
  const environment = await printedBy('env', [], { ...PATH, LANG: 'de_DE.UTF-8' })
  expect(environment.split('\n').filter(Boolean).toSorted()).toEqual([
    'LANG=de_DE.UTF-8',
    'PATH=/usr/bin:/bin',
  ])
})

test('a program gets its arguments as they are, also such as look like options', async () => {
  expect(await printedBy('printf', ['%s|', '--reuid=0', '-x', 'a b', '', '$HOME'])).toBe(
    '--reuid=0|-x|a b||$HOME|',
  )
})

test('a program begins in the home, and in the root folder when there is no home', async () => {
  expect(await printedBy('pwd', [])).toBe('/home/ann\n')
  expect(await printedBy('pwd', [], PATH, { ...ANN, home: '/home/nowhere' })).toBe('/\n')
})

test('a program leads a session of its own: it outlives us', async () => {
  const [pid, session] = (await printedBy('sh', ['-c', 'echo $$; cut -d " " -f 6 /proc/$$/stat'])).split('\n')
  expect(session).toBe(pid)
})

test('a setpriv that is missing is an error event, as with any program', async () => {
  const asUser = asUserWith(() => '/no/such/setpriv')
  const child = asUser(ANN, 'true', [], { env: {}, stdio: 'ignore' })
  expect(await once(child, 'error')).toMatchObject([{ code: 'ENOENT' }])
  expect(child.pid).toBeUndefined()
})
