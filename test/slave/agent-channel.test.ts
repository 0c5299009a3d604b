import { openClientSide, type ClientSide } from '@ostler/client/slave/client-side.ts'
import { serveForward } from '@ostler/client/slave/forward.ts'
import { RunError } from '@ostler/kit/run.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Guest, startGuest } from '../fixtures/guest.ts'
import { until } from '../fixtures/world.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'

/** The slave channel of a whole agent, with a real nxagent and the user's client at the other end of a real nxproxy. */

const KEY = 'Zy9'.repeat(21) + 'a'
const SESSION = { 'qvd.vm.user.name': 'ann', 'qvd.slave.key': KEY, 'qvd.client.link': 'lan' }
const OPEN = join(import.meta.dirname, '../../build/agent/ostler-open')

const scope = new Scope()
let screen: XScreen
let guest: Guest
let client: ClientSide
let nx: ChildProcess
let folder: string

const opened = (): string[] => readFileSync(join(folder, 'opened'), 'utf8').split('\n').filter(Boolean)

async function connect(): Promise<void> {
  const { error } = await guest.simple('x_start', SESSION)
  expect(error).toBeUndefined()
  await guest.untilState('listening')
  nx = guest.connectNx(screen.display, client)
  await guest.untilState('connected')
}

/** Runs `ostler-open` inside as a user, and gives its last words and its exit code. */
async function ostlerOpen(user: string, ...wanted: string[]): Promise<{ code: number; said: string }> {
  const uid = (await guest.inside('id', '-u', user)).trim()
  const as = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--']
  return await guest.inside(...as, OPEN, ...wanted).then(
    () => ({ code: 0, said: '' }),
    (error: unknown) => {
      if (!(error instanceof RunError)) throw error
      return { code: error.exitCode ?? -1, said: error.stderr }
    },
  )
}

beforeAll(async () => {
  screen = scope.own(await openScreen())
  folder = mkdtempSync(join(tmpdir(), 'ostler-open-'))
  scope.defer(() => rmSync(folder, { recursive: true, force: true }))
  const program = join(folder, 'opener')
  writeFileSync(join(folder, 'opened'), '')
  writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$*" >>${folder}/opened\n`, { mode: 0o755 })
  const open = { links: true, documents: true, extensions: ['pdf'], program }
  const wishes = { ports: () => false, forwards: [], isNeeded: true, open }
  client = scope.own(await openClientSide(folder, new Secret(KEY), wishes, () => {}))
  guest = scope.own(
    await startGuest({ plain: true, config: ['vma.slave.enable = 1', 'vma.slave.forward.ports = 8099'] }),
  )
  const server = "require('http').createServer((_, answer) => answer.end('hello')).listen(8099, '127.0.0.1')"
  const inside = ['--target', String(guest.init), '--net', '--', process.execPath, '-e', server]
  const served = spawn('nsenter', inside, { stdio: 'ignore' })
  scope.defer(() => void served.kill('SIGKILL'))
  await connect()
})
afterAll(async () => await scope.close())

test('the agent answers what nxagent carries to it, for who has the key of the session', async () => {
  expect(await client.guest.ask({ method: 'GET', path: '/ping' })).toMatchObject({
    status: 200,
    text: 'Pong!',
  })
  for (const socket of ['slave', 'open']) {
    const { mode, uid } = statSync(guest.path(`/run/ostler/session/${socket}.sock`))
    const ann = Number((await guest.inside('id', '-u', 'ann')).trim())
    expect({ uid, mode: mode & 0o777 }).toEqual({ uid: ann, mode: 0o600 })
  }
})

test('a folder of a QVD client stands in her home, with its sftp-server behind it, and goes with its line', async () => {
  const path = join(folder, 'docs')
  mkdirSync(path)
  writeFileSync(join(path, 'hello.txt'), 'from the client')
  const headers = { Connection: 'Upgrade', Upgrade: 'qvd:sftp/1.0' }
  const { stream, reply } = await client.guest.open({ method: 'PUT', path: `/shares/${path}`, headers })
  expect(reply.headers.get('x-qvd-share-ticket')).toBe('docs')
  const server = spawn('/usr/lib/openssh/sftp-server', ['-e'], {
    cwd: path,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  scope.defer(() => void server.kill('SIGKILL'))
  if (reply.head.length > 0) stream.unshift(reply.head)
  stream.once('close', () => server.stdin.end()).pipe(server.stdin)
  server.stdout.pipe(stream)
  const asAnn = async (...argv: string[]): Promise<string> =>
    await guest.inside('setpriv', '--reuid=ann', '--regid=ann', '--clear-groups', '--', ...argv)
  const place = '/home/ann/Redirected'
  await until('it to stand', async () => (await guest.status('test', '-L', place)) === 0)
  expect(await asAnn('cat', `${place}/docs/hello.txt`)).toBe('from the client')
  await asAnn('cp', `${place}/docs/hello.txt`, `${place}/docs/copy`)
  expect(readFileSync(join(path, 'copy'), 'utf8')).toBe('from the client')
  const gone = once(server, 'exit')
  stream.destroy()
  await gone
  await until('it to go', async () => (await guest.status('test', '-e', place)) !== 0)
  expect(await guest.inside('cat', '/proc/self/mounts')).not.toContain('ostler-client:')
})

test('a forwarded port reaches the one that the desktop allows, and no other', async () => {
  const told: string[] = []
  const [here, refused] = [await freePort(), await freePort()]
  await using _ = await serveForward({ here, there: 8099 }, client.guest, (line) => told.push(line))
  await using __ = await serveForward({ here: refused, there: 22 }, client.guest, (line) => told.push(line))
  for (let number = 0; number < 5; number++) {
    const response = await fetch(`http://127.0.0.1:${here}/`, { headers: { Connection: 'close' } })
    expect(await response.text()).toBe('hello')
  }
  expect(told).toEqual([])
  await expect(fetch(`http://127.0.0.1:${refused}/`)).rejects.toThrow()
  await until('it to be told', () => told.length > 0)
  expect(told[0]).toContain('not in the list of ports')
})

test('ostler-open opens links and documents at the client', async () => {
  expect(await ostlerOpen('ann', 'https://example.org/a?b=c&d=e')).toEqual({ code: 0, said: '' })
  expect(opened()).toEqual(['https://example.org/a?b=c&d=e'])
  await guest.inside('sh', '-c', 'head -c 2000000 /dev/urandom >"/tmp/a plan.pdf"; chmod 644 /tmp/*.pdf')
  expect(await ostlerOpen('ann', '/tmp/a plan.pdf')).toEqual({ code: 0, said: '' })
  const copy = opened()[1] ?? ''
  expect(copy).toMatch(/\/a plan\.pdf$/)
  expect(readFileSync(copy).equals(readFileSync(guest.path('/tmp/a plan.pdf')))).toBe(true)
  expect(statSync(copy).mode & 0o777).toBe(0o600)
})

test('what the client does not open is told, and nothing is opened', async () => {
  const before = opened()
  await guest.inside(
    'sh',
    '-c',
    'for name in run.sh a.desktop b.txt; do echo x >/tmp/$name; done; chmod 644 /tmp/*.*',
  )
  for (const name of ['run.sh', 'a.desktop', 'b.txt']) {
    const { code, said } = await ostlerOpen('ann', `/tmp/${name}`)
    expect(code).not.toBe(0)
    expect(said).toContain('client.open.extensions')
  }
  expect((await ostlerOpen('ann', '/tmp/missing.pdf')).said).toContain('not found')
  // Nobody but the session's user speaks for her.
  expect((await ostlerOpen('nobody', 'https://example.org/')).said).toContain('this session has none')
  expect(opened()).toEqual(before)
})

test('with the client its streams are gone, and with the next one they are there again', async () => {
  const { stream } = await client.guest.open({ method: 'POST', path: '/tcp/connect/8099' })
  const gone = once(stream, 'end')
  stream.resume()
  nx.kill('SIGKILL')
  await gone
  await guest.untilState('suspended')
  await until('no program to carry a stream', async () => (await guest.pidOf('slave-stream')) === undefined)
  expect((await ostlerOpen('ann', 'https://example.org/')).said).toContain('no client with a slave channel')
  rmSync(join(folder, 'guest.sock'), { force: true })
  await connect()
  expect((await client.guest.ask({ method: 'GET', path: '/ping' })).status).toBe(200)
})

test('an agent that was restarted goes on with the channel', async () => {
  await guest.crashAgent()
  await until('the channel to answer', () =>
    client.guest.ask({ method: 'GET', path: '/ping' }).then(
      ({ status }) => status === 200,
      () => false,
    ),
  )
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
