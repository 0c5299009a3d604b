import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Log, openLog } from '../log.ts'
import { Scope } from '../scope.ts'
import { Secret } from '../secret.ts'
import type { SyslogTarget } from './options.ts'

const RSYSLOGD = '/usr/sbin/rsyslogd'

/** A real rsyslogd with a configuration, ports and a socket of its own. */
class Rsyslog {
  readonly #folder = mkdtempSync(join(tmpdir(), 'ostler-rsyslog-'))
  readonly #output = join(this.#folder, 'output')
  readonly port: number
  readonly socket = join(this.#folder, 'log')
  #child: ChildProcess | undefined

  constructor(port: number) {
    this.port = port
  }

  async start(): Promise<void> {
    if (!existsSync(RSYSLOGD)) throw new Error('rsyslogd is missing: apt-get install rsyslog')
    const config = join(this.#folder, 'rsyslog.conf')
    writeFileSync(
      config,
      `module(load="imuxsock" SysSock.Use="off")
       module(load="imudp")
       module(load="imtcp")
       input(type="imuxsock" Socket="${this.socket}" RateLimit.Interval="0")
       input(type="imudp" address="127.0.0.1" port="${this.port}")
       input(type="imtcp" address="127.0.0.1" port="${this.port}")
       template(name="told" type="list" option.jsonf="on") {
         property(outname="facility" name="syslogfacility-text" format="jsonf")
         property(outname="severity" name="syslogseverity-text" format="jsonf")
         property(outname="tag" name="app-name" format="jsonf")
         property(outname="pid" name="procid" format="jsonf")
         property(outname="host" name="hostname" format="jsonf")
         property(outname="text" name="msg" format="jsonf")
       }
       action(type="omfile" file="${this.#output}" template="told")`,
    )
    const child = spawn(RSYSLOGD, ['-n', '-f', config, '-i', join(this.#folder, 'pid')], { stdio: 'ignore' })
    this.#child = child
    await until(() => {
      if (child.exitCode !== null) throw new Error(`rsyslogd ended with ${child.exitCode}`)
      return existsSync(this.socket) && isBound('udp', this.port) && isBound('tcp', this.port)
    })
  }

  async stop(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null) return
    child.kill('SIGTERM')
    await once(child, 'exit')
    rmSync(this.socket, { force: true })
  }

  /** What it has received, of our own lines: rsyslogd has something to say, too. */
  received(): Received[] {
    if (!existsSync(this.#output)) return []
    const lines = readFileSync(this.#output, 'utf8').split('\n').slice(0, -1)
    return lines
      .map((line) => JSON.parse(line) as Omit<Received, 'line'> & { text: string })
      .filter(({ tag }) => tag === 'ostler-test')
      .map((entry) => ({ ...entry, line: JSON.parse(entry.text) as Received['line'] }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Of all processes. */
function commandLines(): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    } catch {
      return '' // it has ended
    }
  })
}

interface Received {
  readonly facility: string
  readonly severity: string
  readonly tag: string
  readonly pid: string
  readonly host: string
  readonly line: { readonly message: string; readonly level: string; readonly [field: string]: unknown }
}

/** Waits until something holds; gives up when the test does. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(20)
}

function isBound(protocol: 'tcp' | 'udp', port: number): boolean {
  const address = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return readFileSync(`/proc/net/${protocol}`, 'utf8').includes(` ${address} `)
}

/** A port that is free for both protocols. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  const socket = createSocket('udp4').bind(port, '127.0.0.1')
  await once(socket, 'listening')
  socket.close()
  return port
}

async function logTo(scope: Scope, target: SyslogTarget): Promise<Log> {
  const settings = {
    level: 'ALL',
    file: { path: '/dev/null', size: 1 << 30, max: 2 },
    syslog: { target, facility: 'local3' },
  } as const
  const log = await openLog({ name: 'ostler-test', settings })
  scope.defer(() => log.close())
  return log
}

describe.each(['udp', 'tcp', 'local'] as const)('a real rsyslogd, reached by %s', (kind) => {
  let server: Rsyslog
  beforeAll(async () => {
    server = new Rsyslog(await freePort())
    await server.start()
  })
  afterAll(() => server[Symbol.asyncDispose]())
  const target = (): SyslogTarget =>
    kind === 'local' ? { kind, socket: server.socket } : { kind, host: '127.0.0.1', port: server.port }
  const find = (message: string) => server.received().find(({ line }) => line.message === message)

  test('has every line with its fields, facility, severity and sender', async () => {
    await using scope = new Scope()
    const log = await logTo(scope, target())
    log.debug('one', { text: 'grüße "x" \n % <13>', nested: { list: [1, 2] }, password: new Secret('hush') })
    log.info('two')
    log.warn('three')
    log.error('four')
    log.fatal('five')
    await log.close()
    await until(() => find('five') !== undefined)
    const received = server.received()
    expect(received.map(({ line, severity }) => [line.message, line.level, severity])).toEqual([
      ['one', 'debug', 'debug'],
      ['two', 'info', 'info'],
      ['three', 'warn', 'warning'],
      ['four', 'error', 'err'],
      ['five', 'fatal', 'crit'],
    ])
    expect(received[0]?.line).toMatchObject({
      text: 'grüße "x" \n % <13>',
      nested: { list: [1, 2] },
      password: '***',
      process: 'ostler-test',
    })
    for (const entry of received)
      expect(entry).toMatchObject({ facility: 'local3', pid: String(process.pid) })
    expect(received[0]?.host.split('.')[0]).toBe(hostname().split('.')[0])
  })

  test('hears a process that ends without a word, and nothing of it stays', async () => {
    const program = `
      import { openLog } from '${join(import.meta.dirname, '../log.ts')}'
      const syslog = ${JSON.stringify({ target: target(), facility: 'daemon' })}
      const log = await openLog({ name: 'ostler-test', settings: { level: 'INFO', syslog } })
      setInterval(() => log.info('before the end'), 50)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'ignore' })
    await until(() => find('before the end') !== undefined)
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(find('before the end')?.pid).toBe(String(child.pid))
    await until(() => !commandLines().some((line) => line.includes(`--id=${child.pid}`)))
  })

  test('is stopped and started again: lines come again', async () => {
    await using scope = new Scope()
    const log = await logTo(scope, target())
    log.info('before')
    await until(() => find('before') !== undefined)
    await server.stop()
    for (let i = 0; i < 20; i++) {
      log.info('while nobody listens')
      await sleep(10)
    }
    await server.start()
    while (find('afterwards') === undefined) {
      log.info('afterwards')
      await sleep(50)
    }
    // What the dying logger has read is lost; a connection that is gone we see ourselves, and wait.
    if (kind !== 'local') expect(find('while nobody listens')).toBeDefined()
  })

  test('gets thousands of lines in a row, or is told how many were lost', async () => {
    await using scope = new Scope()
    const log = await logTo(scope, target())
    const count = 2_000
    for (let number = 0; number < count; number++) log.info('burst', { number })
    // The count of what was lost comes with a later line.
    while (find('end') === undefined) {
      log.info('end')
      await sleep(50)
    }
    const received = server.received()
    const numbers = received.filter(({ line }) => line.message === 'burst').map(({ line }) => line['number'])
    const lost = received.reduce((sum, { line }) => sum + Number(line['lost'] ?? 0), 0)
    expect(numbers).toEqual(numbers.toSorted((a, b) => Number(a) - Number(b)))
    expect(new Set(numbers).size).toBe(numbers.length)
    // What the kernel drops of UDP nobody knows.
    if (kind === 'udp') expect(numbers.length).toBeGreaterThan(0)
    else expect(numbers.length + lost).toBe(count)
  })
})

/** Of the 80 MB that a burst logs: a queue of one, and what the runtime has not given back. */
const LEEWAY = 20 << 20

describe('a server that does not read', () => {
  let server: Server
  let port: number
  const sockets: Socket[] = []
  beforeAll(async () => {
    server = createServer({ pauseOnConnect: true }, (socket) => void sockets.push(socket)).listen(
      0,
      '127.0.0.1',
    )
    await once(server, 'listening')
    port = (server.address() as { port: number }).port
  })
  afterAll(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })

  test('costs lines, not memory, and hears how many when it reads again', async () => {
    await using scope = new Scope()
    const log = await logTo(scope, { kind: 'tcp', host: '127.0.0.1', port })
    log.info('first')
    await until(() => sockets.length > 0)
    const before = memory()
    const count = 20_000
    for (let number = 0; number < count; number++) log.info('burst', { number, text: 'x'.repeat(4_000) })
    await sleep(1)
    expect(memory() - before).toBeLessThan(LEEWAY)

    let text = ''
    sockets[0]?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    sockets[0]?.resume()
    while (!text.includes('"message":"end"')) {
      await sleep(20)
      log.info('end')
    }
    const lost = [...text.matchAll(/"lost":(\d+)/g)].reduce((sum, [, number]) => sum + Number(number), 0)
    expect(text.match(/"message":"burst"/g)?.length).toBe(count - lost)
    expect(lost).toBeGreaterThan(0)
  })
})

test.each([
  ['nobody listens', { kind: 'tcp', host: '127.0.0.1', port: 9 }],
  ['nobody listens', { kind: 'udp', host: '127.0.0.1', port: 9 }],
  ['the name is none', { kind: 'tcp', host: 'no..name', port: 514 }],
  ['the name is none', { kind: 'udp', host: 'no..name', port: 514 }],
  ['the address is IPv6', { kind: 'udp', host: '::1', port: 9 }],
  ['there is no socket', { kind: 'local', socket: '/nonexistent/log' }],
] as const)('%s: memory stays, nothing is thrown, and the log can be closed (%o)', async (_, target) => {
  await using scope = new Scope()
  const log = await logTo(scope, target)
  log.info('first')
  const before = memory()
  for (let number = 0; number < 20_000; number++) {
    if (number % 1_000 === 0) await sleep(10)
    log.info('burst', { number, text: 'x'.repeat(4_000) })
  }
  expect(memory() - before).toBeLessThan(LEEWAY)
  await log.close()
})

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes in use after the collector has run. */
function memory(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
