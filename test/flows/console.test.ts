import { type ConsoleUpgrade, consoleUpgrade } from '@ostler/agent/console/upgrade.ts'
import { consoleApi, encodeFrame } from '@ostler/contract/console-frames.ts'
import { type ConsoleTicket, signConsoleTicket } from '@ostler/contract/console-ticket.ts'
import { holderUri } from '@ostler/contract/identity.ts'
import { issueIdentity, makeAuthority } from '@ostler/kit/certificate.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { findAccount } from '@ostler/kit/passwd.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { membersOfSession } from '@ostler/kit/process-table.ts'
import { run } from '@ostler/kit/run.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { ConsoleCaller } from '../fixtures/console-caller.ts'

const ROOT = join(import.meta.dirname, '../..')
const HOST = join(ROOT, 'agent/src/bin/console-host.ts')
const BUNDLE = join(ROOT, 'build/agent')
const [DESKTOP, EPOCH] = [7, 3]
const USER = `ostcon${process.pid}`

const groups = process.getgroups?.() ?? []
const folder = mkdtempSync(join(tmpdir(), 'ostler-console-'))
chmodSync(folder, 0o711) // a home lies in it
const authority = await makeAuthority('Ostler', 3650)
const agent = await issueIdentity(authority, {
  commonName: 'desktop 7',
  uri: holderUri({ role: 'vma', desktop: DESKTOP, epoch: EPOCH }),
  days: 1,
})
const l7r = await issueIdentity(authority, { commonName: 'l7r', uri: holderUri({ role: 'l7r' }), days: 1 })

beforeAll(async () => {
  if (process.getuid?.() !== 0) throw new Error('Consoles are opened by root: run the tests as root.')
  await run('/usr/sbin/useradd', [
    '--create-home',
    '--home-dir',
    join(folder, 'home'),
    '--shell',
    '/bin/bash',
    USER,
  ])
  // What must not reach the shell: groups and secrets of the agent.
  process.setgroups?.([...groups, 4, 24])
  process.env['OSTLER_TEST_SECRET'] = 'hush'
})
afterAll(async () => {
  process.setgroups?.(groups)
  delete process.env['OSTLER_TEST_SECRET']
  await run('/usr/sbin/userdel', [USER])
  rmSync(folder, { recursive: true, force: true })
})

let scope = new Scope()
afterEach(async () => {
  await scope.close()
  scope = new Scope()
  rmSync(auditLog, { recursive: true, force: true })
})
const auditLog = join(folder, 'audit.log')

/** An agent's server with nothing but the console, over real mutual TLS. */
async function serve(changes: Partial<Parameters<typeof consoleUpgrade>[0]> = {}): Promise<{
  port: number
  upgrade: ConsoleUpgrade
}> {
  const upgrade = consoleUpgrade({
    enabled: () => true,
    enrolledAt: performance.now(),
    certificate: agent.certificate,
    authority: authority.certificate,
    desktop: DESKTOP,
    epoch: EPOCH,
    auditLog,
    runuser: '/sbin/runuser',
    lang: 'C.UTF-8',
    log: silentLog,
    host: HOST,
    ...changes,
  })
  const server = createServer({
    key: agent.key,
    cert: agent.certificate,
    ca: authority.certificate,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
  })
  server.on('upgrade', upgrade)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  scope.defer(() => void server.close())
  scope.own(upgrade)
  return { port: (server.address() as AddressInfo).port, upgrade }
}

function ticket(changes: Partial<ConsoleTicket> = {}): string {
  const now = Date.now()
  return signConsoleTicket(
    {
      desktop: DESKTOP,
      epoch: EPOCH,
      by: 'ann',
      user: USER,
      nonce: randomBytes(18).toString('base64url'),
      issued: new Date(now).toISOString(),
      expires: new Date(now + 60_000).toISOString(),
      ...changes,
    },
    authority.key,
  )
}

type Answer = { status: number; stream: Duplex; head: Buffer } | { status: number; body: unknown }

async function ask(port: number, headers: Record<string, string>, identity = l7r): Promise<Answer> {
  const asking = request({
    host: '127.0.0.1',
    port,
    path: consoleApi.path,
    key: identity.key,
    cert: identity.certificate,
    ca: authority.certificate,
    checkServerIdentity: () => undefined,
    agent: false,
    headers: { Connection: 'Upgrade', Upgrade: consoleApi.upgrade, ...headers },
  })
  const answer = new Promise<Answer>((resolve, reject) => {
    asking.once('upgrade', (response, stream, head) =>
      resolve({ status: response.statusCode ?? 0, stream, head }),
    )
    asking.once('response', (response: IncomingMessage) => {
      text(response).then(
        (body) => resolve({ status: response.statusCode ?? 0, body: JSON.parse(body) as unknown }),
        reject,
      )
    })
    asking.once('error', reject)
  })
  asking.end()
  return await answer
}

async function open(port: number, words: string, size = '80x24'): Promise<ConsoleCaller> {
  const answer = await ask(port, { [consoleApi.ticketHeader]: words, [consoleApi.sizeHeader]: size })
  if (!('stream' in answer)) throw new Error(`no console: ${JSON.stringify(answer)}`)
  scope.defer(() => void answer.stream.destroy())
  if (answer.head.length > 0) answer.stream.unshift(answer.head)
  return new ConsoleCaller(answer.stream)
}

/** A console as a user of the system, at its first prompt. */
async function shell(user = USER, size?: string): Promise<ConsoleCaller> {
  const caller = await open((await serve()).port, ticket({ user }), size)
  caller.type("PS1='> '; echo at''home\r")
  await caller.until(/athome\r\n/)
  return caller
}

/** Runs a line and returns what is printed between two marks. */
async function output(caller: ConsoleCaller, line: string): Promise<string> {
  caller.type(`echo be''gin; ${line}; echo e''nd\r`)
  return (await caller.until(/begin\r\n([^]*?)end\r\n/))[1]?.trim().replaceAll('\r\n', '\n') ?? ''
}

function audited(): Record<string, unknown>[] {
  if (!existsSync(auditLog)) return []
  return readFileSync(auditLog, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

async function untilAudited(event: string): Promise<void> {
  const seen = await comesToHold(() => audited().some((line) => line['event'] === event), 50_000, 50)
  if (!seen) throw new Error(`"${event}" was not written to the audit log: ${JSON.stringify(audited())}`)
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

test('the login shell is the user’s, with her groups and nothing of the agent', async () => {
  const caller = await shell()
  const account = findAccount(USER)
  expect(await output(caller, 'whoami')).toBe(USER)
  expect(await output(caller, 'id -u; id -g; id -G')).toBe(
    [account?.uid, account?.gid, account?.gid].join('\n'),
  )
  expect(await output(caller, 'grep ^Groups: /proc/self/status')).toMatch(
    new RegExp(`^Groups:\\s${account?.gid}\\s*$`),
  )
  expect(await output(caller, 'grep ^Cap[IPE] /proc/self/status | cut -f2 | sort -u')).toBe(
    '0000000000000000',
  )
  expect(await output(caller, 'pwd; echo $HOME; shopt -q login_shell && echo login')).toBe(
    [account?.home, account?.home, 'login'].join('\n'),
  )
  expect(await output(caller, 'echo $TERM $LANG')).toBe('xterm-256color C.UTF-8')
  expect(await output(caller, 'env')).not.toMatch(/hush|NODE|LD_LIBRARY/)
})

test('the terminal is hers, and no other descriptor came along', async () => {
  const caller = await shell()
  expect(await output(caller, 'tty')).toMatch(/^\/dev\/pts\/\d+$/)
  expect(await output(caller, 'stat -c %U $(tty)')).toBe(USER)
  expect(await output(caller, 'ls -l /proc/$$/fd')).not.toMatch(/ptmx|socket/)
})

test('an administrator may be root', async () => {
  const caller = await shell('root')
  expect(await output(caller, 'whoami; echo $HOME')).toBe('root\n/root')
})

test('the size is that of the caller, at the start and later', async () => {
  const caller = await shell(USER, '132x43')
  expect(await output(caller, 'stty size')).toBe('43 132')
  caller.resize({ columns: 203, rows: 51 })
  expect(await output(caller, 'stty size')).toBe('51 203')
})

test('characters survive, also when they are cut in the middle', async () => {
  const caller = await shell()
  const line = Buffer.from('echo "<ä€😀>" | wc -m; echo "[ä€😀]"\r')
  for (const byte of line) caller.type(Uint8Array.of(byte))
  await caller.until(/6\r\n\[ä€😀\]\r\n/)
})

test('bursts of 64 kB go both ways, and nothing is lost', async () => {
  const caller = await shell()
  caller.type('stty raw -echo; echo ready; head -c 1048576; stty sane; exit 5\r')
  await caller.until(/ready\n/)
  const before = caller.printed.length
  const sent = randomBytes(1 << 20)
  for (let at = 0; at < sent.length; at += 65_536) caller.type(sent.subarray(at, at + 65_536))
  await caller.closed()
  expect(sha256(caller.printed.subarray(before, before + sent.length))).toBe(sha256(sent))
  expect(caller.exitCode).toBe(5)
})

test('2 MB and an exit: the last byte arrives, and then the exit code', async () => {
  const file = join(folder, 'home', 'two-megabytes')
  const caller = await shell()
  expect(await output(caller, `head -c 2097152 /dev/urandom > ${file}; stat -c %s ${file}`)).toBe('2097152')
  caller.type(`stty raw; echo rea''dy; exec sh -c 'cat ${file}; exit 42'\r`)
  await caller.until(/ready\n/)
  await caller.closed()
  const wanted = readFileSync(file)
  expect(sha256(caller.printed.subarray(-wanted.length))).toBe(sha256(wanted))
  expect(caller.exitCode).toBe(42)
})

test('Ctrl-C reaches the program and not the shell', async () => {
  const caller = await shell()
  caller.type('sh -c "echo wait\'\'ing; exec sleep 3100"\r')
  await caller.until(/waiting\r\n/)
  caller.type('\x03')
  caller.type('echo "was $?"\r')
  await caller.until(/was 130\r\n/)
})

test('who hangs up leaves no process behind, and the audit says how it ended', async () => {
  const caller = await shell()
  caller.type('trap "" HUP; nohup sleep 3101 & ps -o sess= -p $$ | sed "s/^ */session /"; sleep 3102\r')
  const session = Number((await caller.until(/session (\d+)\r\n/))[1])
  expect(membersOfSession(session).length).toBeGreaterThan(2)
  caller.stream.destroy()
  await untilAudited('console closed')
  expect(membersOfSession(session)).toEqual([])
  expect(audited().at(-1)).toMatchObject({ event: 'console closed', end: 'hang-up' })
})

test('a program that does not read stops the caller, not the memory, and a hang-up is noticed still', async () => {
  const caller = await shell()
  caller.type("stty raw -echo; echo dea''f; sleep 3103\r")
  await caller.until(/deaf\n/)
  for (let megabyte = 0; megabyte < 32; megabyte++) caller.type(randomBytes(1 << 20))
  await sleep(1_000)
  expect(caller.stream.writableLength).toBeGreaterThan(1 << 20)
  caller.stream.destroy()
  await untilAudited('console closed')
})

test('every use is written down: who, as whom, from where, how long, how much', async () => {
  const { port } = await serve()
  const caller = await open(port, ticket({ by: 'Ann "the admin"', nonce: 'n'.repeat(22) }))
  caller.type('exit 3\r')
  await caller.closed()
  await untilAudited('console closed')
  const who = {
    time: expect.any(String) as string,
    console: 'n'.repeat(22),
    by: 'Ann "the admin"',
    user: USER,
    desktop: DESKTOP,
    epoch: EPOCH,
    from: expect.stringMatching(/^127\.0\.0\.1 \d+$/) as string,
  }
  expect(audited()).toEqual([
    { event: 'console opened', ...who },
    {
      event: 'console closed',
      ...who,
      end: 'exit',
      exitCode: 3,
      seconds: expect.any(Number) as number,
      typed: 7,
      printed: caller.printed.length,
    },
  ])
  expect(statSync(auditLog).mode & 0o777).toBe(0o600)
})

test('what cannot be written down does not happen', async () => {
  mkdirSync(auditLog)
  const caller = await open((await serve()).port, ticket())
  await caller.closed()
  expect(caller.notes).toMatch(/the audit log cannot be written \(EISDIR/)
  expect([caller.printed.length, caller.exitCode]).toEqual([0, undefined])
})

test('runuser’s own failure reaches the caller', async () => {
  const caller = await open((await serve()).port, ticket({ user: 'ostler.nobody' }))
  await caller.closed()
  expect(caller.printed.toString()).toMatch(/runuser: user ostler.nobody does not exist/)
  expect(caller.exitCode).toBe(1)
})

test('a missing runuser is told in a note', async () => {
  const caller = await open((await serve({ runuser: '/no/such/runuser' })).port, ticket())
  await caller.closed()
  expect(caller.notes).toMatch(/could not be opened: \/no\/such\/runuser cannot be run/)
  await untilAudited('console closed')
  expect(audited().at(-1)).toMatchObject({ end: 'failed' })
})

test('what is no frame ends the console with a note', async () => {
  const caller = await shell()
  caller.stream.write(Uint8Array.of(9, 9, 9, 9, 9))
  await caller.closed()
  expect(caller.notes).toMatch(/no console frame: type 9 does not exist/)
  const other = await open((await serve()).port, ticket())
  other.stream.write(encodeFrame({ type: 'exit', code: 0 }))
  await other.closed()
  expect(other.notes).toMatch(/exit is not for the caller to say/)
})

test('a ticket opens one console, and the second one is written down as refused', async () => {
  const { port } = await serve()
  const words = ticket({ by: 'bea' })
  const caller = await open(port, words)
  const refused = await ask(port, { [consoleApi.ticketHeader]: words })
  expect(refused).toMatchObject({
    status: 401,
    body: { fault: 'console.refused', detail: { reason: 'it was used before' } },
  })
  expect(audited().find((line) => line['event'] === 'console refused')).toMatchObject({
    by: 'bea',
    user: USER,
    desktop: DESKTOP,
    from: expect.stringMatching(/^127\.0\.0\.1 /) as string,
    code: 'console.refused',
    reason: expect.stringContaining('used before') as string,
  })
  caller.type('exit\r')
  await caller.closed()
})

test.each([
  ['no ticket', 'it is no ticket', () => ''],
  ['a ticket for another desktop', 'it is for another desktop', () => ticket({ desktop: 8 })],
  ['a ticket of an earlier boot', 'it is for another boot of this desktop', () => ticket({ epoch: 2 })],
  [
    'a ticket of an hour ago',
    'it has expired',
    () => {
      const issued = new Date(Date.now() - 3_600_000).toISOString()
      return ticket({ issued, expires: issued })
    },
  ],
])('%s is refused', async (_, reason, words) => {
  const { port } = await serve()
  const answer = await ask(port, { [consoleApi.ticketHeader]: words() })
  expect(answer).toMatchObject({ status: 401, body: { fault: 'console.refused', detail: { reason } } })
  expect(audited()).toMatchObject([{ event: 'console refused', code: 'console.refused' }])
})

test('where consoles are switched off there is none', async () => {
  const answer = await ask((await serve({ enabled: () => false })).port, {
    [consoleApi.ticketHeader]: ticket(),
  })
  expect(answer).toMatchObject({ status: 403, body: { fault: 'console.disabled' } })
  expect(audited()).toMatchObject([{ event: 'console refused', code: 'console.disabled' }])
})

test('another protocol is told which one it should be', async () => {
  const answer = await ask((await serve()).port, {
    Upgrade: 'websocket',
    [consoleApi.ticketHeader]: ticket(),
  })
  expect(answer).toMatchObject({ status: 426, body: { fault: 'request.upgradeRequired' } })
})

test('who has no certificate of the authority does not even get to speak', async () => {
  const { port } = await serve()
  const stranger = await issueIdentity(await makeAuthority('Ostler', 1), {
    commonName: 'l7r',
    uri: holderUri({ role: 'l7r' }),
    days: 1,
  })
  await expect(ask(port, { [consoleApi.ticketHeader]: ticket() }, stranger)).rejects.toThrow()
  expect(audited()).toEqual([])
})

test('what was typed ahead, in the same write as the request, is not lost', async () => {
  const { port } = await serve()
  const caller = await open(port, ticket())
  caller.type("echo a''head\r")
  await caller.until(/ahead\r\n/)
})

test('eight consoles at once and no more; closing the door ends them all', async () => {
  const { port, upgrade } = await serve()
  const callers = await Promise.all(Array.from({ length: 8 }, () => open(port, ticket())))
  const sessions = await Promise.all(
    callers.map(async (caller) => {
      caller.type('ps -o sess= -p $$ | sed "s/^ */session /"\r')
      return Number((await caller.until(/session (\d+)\r\n/))[1])
    }),
  )
  const words = ticket()
  expect(await ask(port, { [consoleApi.ticketHeader]: words })).toMatchObject({
    status: 503,
    body: { fault: 'console.busy' },
  })
  callers[0]?.type('exit\r')
  await callers[0]?.closed()
  await untilAudited('console closed')
  await open(port, words) // the ticket was not used up by the refusal
  await upgrade[Symbol.asyncDispose]()
  expect(sessions.flatMap(membersOfSession)).toEqual([])
  expect(audited().filter((line) => line['event'] === 'console closed').length).toBe(9)
  expect(await ask(port, { [consoleApi.ticketHeader]: ticket() })).toMatchObject({
    status: 503,
    body: { fault: 'server.stopping' },
  })
})

test('the bundle has what a console needs beside itself', async () => {
  for (const name of ['console-host.cjs', 'pty.node', 'node']) {
    if (!existsSync(join(BUNDLE, name)))
      throw new Error(`build/agent has no ${name}: npm run build makes it.`)
  }
  // Far from this tree, so that no package can be found.
  const installed = mkdtempSync(join(folder, 'bundle-'))
  for (const name of ['console-host.cjs', 'pty.node']) copyFileSync(join(BUNDLE, name), join(installed, name))
  const { port } = await serve({ host: join(installed, 'console-host.cjs') })
  const caller = await open(port, ticket())
  caller.type('tty; exit 6\r')
  await caller.closed()
  expect(caller.printed.toString()).toMatch(/\/dev\/pts\/\d+/)
  expect(caller.exitCode).toBe(6)
})
