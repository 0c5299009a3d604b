import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { doorLog } from '../fixtures/door.ts'
import { commandLine, startWorld, until, type World } from '../fixtures/world.ts'

/** Tunnels of a whole node: hkd signs, the door splices, the agent of a real desktop answers, and `qa` is at the end. */
let world: World
let ann: number

const ROOT = join(import.meta.dirname, '../..')
const QA = join(ROOT, 'qa/src/bin/qa.ts')

beforeAll(async () => {
  world = await startWorld()
  ann = await world.addUser('ann')
  await world.qa('vm start -f name=ann')
  await world.untilVm('ann', 'running')
})
afterAll(async () => await world[Symbol.asyncDispose]())

/** `qa` as a person starts it. */
function qa(words: readonly string[], wrap: readonly string[] = []): ChildProcess {
  const argv = [...wrap, process.execPath, QA, ...words]
  const env = {
    PATH: process.env['PATH'],
    OSTLER_API_SOCKET: world.node.apiSocket,
    LOGNAME: 'eve',
    SHELL: '/bin/sh',
  }
  return spawn(argv[0] ?? '', argv.slice(1), { env, stdio: 'pipe' })
}

/** Runs it with an input, to its end. */
async function ask(words: readonly string[], input: string) {
  const child = qa(words)
  child.stdin?.end(input)
  const said = [child.stdout, child.stderr].map((stream) => (stream === null ? '' : text(stream)))
  const [[code], stdout, stderr] = await Promise.all([once(child, 'close') as Promise<[number]>, ...said])
  return { code, stdout, stderr }
}

test('an administrator types a command into a desktop and gets what it prints, and its exit code', async () => {
  const { code, stdout } = await ask(
    ['vm', 'console', 'ann'],
    'echo "I am $(id -un) in $((40+2))"; exit 42\n',
  )
  expect(stdout).toContain('I am root in 42')
  expect(code).toBe(42)
})

test('the end of the input ends the shell', async () => {
  const { code, stdout } = await ask(['vm', 'console', '-f', 'name=ann'], 'echo so far $((1+1))\n')
  expect(stdout).toContain('so far 2')
  expect(code).toBe(0)
})

test('a terminal is raw, has its size, and is left by ~. at the begin of a line; the shell is hung up', async () => {
  // script(1) gives it a terminal of its own.
  const command = `stty rows 33 columns 101; exec ${process.execPath} ${QA} vm console ${ann}`
  const env = {
    PATH: process.env['PATH'],
    OSTLER_API_SOCKET: world.node.apiSocket,
    LOGNAME: 'eve',
    TERM: 'xterm',
  }
  const child = spawn('script', ['-qefc', command, '/dev/null'], { env, stdio: 'pipe' })
  let said = ''
  child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()))
  await until('the prompt', () => said.includes('leaves it') && /[#$] $/.test(said))
  child.stdin.write('echo size $(stty size); sleep 3131 &\r')
  await until('the size', () => /size 33 101/.test(said))
  child.stdin.write('\r~.')
  const [code] = (await once(child, 'close')) as [number]
  expect(code).toBe(0)
  await until(
    'the shell to be gone',
    () => !world.processes(ann).some((pid) => commandLine(pid).includes('sleep 3131')),
  )
})

test('what is said of a console: who, which account, on the node and in the desktop', async () => {
  await ask(['vm', 'console', 'ann', 'user=daemon'], 'exit\n')
  const lines = (name: string) =>
    world.node
      .output(name)
      .split('\n')
      .filter((line) => line.includes('"audit":true'))
  const wanted = ['"by":"eve"', '"account":"daemon"']
  for (const name of ['api', 'hkd'])
    expect(lines(name).some((line) => wanted.every((part) => line.includes(part)))).toBe(true)
  expect(doorLog(world)).toContainEqual(
    expect.objectContaining({ message: 'tunnel opens', kind: 'console', by: 'eve', vm: ann }),
  )
  const audit = await world.inside(ann, ['cat', '/var/log/ostler/audit.log'])
  expect(audit).toMatch(/"console opened".*"by":"eve","user":"daemon"/)
})

test('what cannot be opened ends with a sentence and its code', async () => {
  expect(await ask(['vm', 'console', 'nowhere'], '')).toMatchObject({
    code: 66,
    stderr: expect.stringContaining('there is no vm nowhere') as string,
  })
  expect(await ask(['vm', 'tunnel', 'ann', 'kind=ssh'], '')).toMatchObject({
    code: 69,
    stderr: expect.stringContaining('nothing answers at the ssh port') as string,
  })
  expect(await ask(['vm', 'tunnel', 'ann', 'kind=serial'], '')).toMatchObject({ code: 69 })
  expect(await ask(['vm', 'tunnel', 'ann', 'kind=support'], '')).toMatchObject({ code: 75 })
})

/** What greets as an ssh server does and leaves. */
const GREETER = `
import socket
s = socket.create_server(('', 22))
print('ready', flush=True)
c, _ = s.accept()
c.sendall(b'SSH-2.0-greeter\\r\\n')
c.recv(100)
`

test('ssh reaches the desktop through us, and no ticket stands in a list of processes', async () => {
  const init = world.processOf(ann, 'ostler-init')
  const namespaces = ['--target', String(init), '--mount', '--pid', '--net', '--']
  const greeter = spawn('nsenter', [...namespaces, 'python3', '-c', GREETER], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const left = once(greeter, 'close')
  await once(greeter.stdout, 'data')
  const { code, stderr } = await ask(['vm', 'ssh', 'ann', '--', '-v', '-F', 'none', 'true'], '')
  await left
  expect(stderr).toContain('remote software version greeter')
  expect(stderr).toContain('Executing proxy command')
  expect(stderr).not.toMatch(/[\w-]{43}/)
  expect(code).toBe(255)
})
