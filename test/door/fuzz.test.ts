import { FAULT_HEADER, VM_INFO_HEADER } from '@ostler/contract/desktop.ts'
import type { QvdEndpoints } from '@ostler/proxy/l7r/qvd-endpoints.ts'
import { readdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { type DoorUnderTest, openDoor, TRUSTING } from './door-under-test.ts'
import { Dice, type FuzzCase, nextCase, SMUGGLED } from './fuzz-cases.ts'

const SEED = Number(process.env['OSTLER_SEED'] ?? 20_260_801)
const CASES = Number(process.env['OSTLER_RUNS'] ?? 100_000)
const TLS_CASES = CASES / 50
const AT_ONCE = 64
/** So long a case may wait for more bytes until we say that none will come. */
const PATIENCE_MS = 250
const DEADLINE_MS = 30_000

const STATUSES = new Set([101, 102, 200, 400, 401, 404, 408, 431, 505])
const HEADERS = new Set([
  ...['Content-Type', 'Content-Length', 'WWW-Authenticate', VM_INFO_HEADER, FAULT_HEADER],
  // Those of Node's server, for pages.
  ...['Date', 'Connection', 'Keep-Alive', 'Transfer-Encoding'],
])

/** Endpoints that say what they were told as often as they can, and note what must never reach them. */
function echoing(seen: { smuggled: number }): QvdEndpoints {
  return {
    owns: (path) => path.startsWith('/qvd/'),
    handle: ({ method, path, parameters }, reply) => {
      if (path === SMUGGLED) seen.smuggled += 1
      const said = [...parameters.values()].join()
      if (path === '/qvd/sentinel') reply.final(200, 'text/plain', `sentinel ${said};`)
      else if (path === '/qvd/reflect')
        reply.final(401, 'text/plain', said || '-', { 'WWW-Authenticate': `Basic realm="${said}"` })
      else if (method !== 'GET' || !/^\/qvd\/(ping|list_of_vm|stop_vm)$/.test(path))
        reply.final(404, 'text/plain', `nothing at ${path}\r\n`)
      else {
        if (path === '/qvd/stop_vm') reply.interim(said)
        reply.final(200, 'text/plain', `${said}\r\n`)
      }
      return Promise.resolve()
    },
    connect: (_, socket) => {
      socket.on('error', () => socket.destroy())
      socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n')
      socket.resume()
      return Promise.resolve()
    },
  }
}

/** Statuses of a stream of whole answers. @throws Error about anything that is none. */
function statusesIn(text: string): number[] {
  const statuses: number[] = []
  for (let at = 0; at < text.length;) {
    const end = text.indexOf('\r\n\r\n', at)
    const [first = '', ...lines] = text.slice(at, end).split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3}) [\w -]+$/.exec(first)?.[1])
    if (end === -1 || !STATUSES.has(status)) throw new Error(`no answer: ${JSON.stringify(text.slice(at))}`)
    for (const line of lines)
      if (!HEADERS.has(line.split(':', 1)[0] ?? '') || /[\u0000-\u001f\u007f]/.test(line))
        throw new Error(`a header that nobody sent: ${JSON.stringify(line)}`)
    statuses.push(status)
    const body = end + 4
    if (lines.includes('Transfer-Encoding: chunked')) at = text.indexOf('0\r\n\r\n', body) + 5
    else at = body + Number(lines.find((line) => line.startsWith('Content-Length: '))?.slice(16) ?? 0)
    if (at > text.length) throw new Error(`a body that is too short: ${JSON.stringify(text)}`)
  }
  return statuses
}

/** @throws Error when these answers are wrong for what was sent. */
function judge(fuzz: FuzzCase, sentinel: string, text: string): void {
  const statuses = statusesIn(text)
  const isRefusal = (status: number): boolean => [400, 408, 431, 505].includes(status)
  const refused = statuses.findIndex(isRefusal)
  if (refused !== -1 && !statuses.slice(refused).every(isRefusal))
    throw new Error('answered behind a refusal')
  if (fuzz.expected === 'bad' && refused === -1) throw new Error('not refused')
  if (fuzz.expected !== 'good') return
  if (statuses.filter((status) => status === 200).length !== 2 || !text.endsWith(sentinel))
    throw new Error('not served')
}

/** A connection that is used again and again as long as the door leaves it open. */
class Client {
  readonly #open: () => Socket
  #socket: Socket | undefined
  #text = ''
  #changed: () => void = () => {}

  constructor(open: () => Socket) {
    this.#open = open
  }

  /** Sends a case and a request behind it, and returns what came until that was answered or the door closed, or for so long. */
  async send(bytes: Buffer, sentinel: string, patienceMs: number): Promise<string> {
    const socket = (this.#socket ??= this.#connect())
    this.#text = ''
    socket.write(bytes)
    const isClosed = (): boolean => socket.destroyed
    const isDone = (): boolean => this.#text.endsWith(sentinel) || isClosed()
    await this.#until(isDone, patienceMs)
    // It waits for a body, or for the rest of a head: now it knows that none will come.
    if (!isDone()) {
      // Node loses what a TLS client has received and not yet read when it is ended while it reads: not within that.
      await setImmediate()
      socket.end()
      await this.#until(isClosed, DEADLINE_MS)
      if (!isClosed()) throw new Error(`neither answered nor closed: ${JSON.stringify(this.#text)}`)
    }
    if (isClosed() || socket.writableEnded) this.#socket = undefined
    return this.#text
  }

  close(): void {
    this.#socket?.destroy()
  }

  #connect(): Socket {
    const socket = this.#open()
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1')
      this.#changed()
    })
    socket.on('close', () => this.#changed())
    return socket
  }

  async #until(holds: () => boolean, ms: number): Promise<void> {
    const end = performance.now() + ms
    for (let left = ms; !holds() && left > 0; left = end - performance.now()) {
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        this.#changed = resolve
        timer = setTimeout(resolve, left)
      })
      clearTimeout(timer)
    }
  }
}

async function fuzz(door: DoorUnderTest, seed: number, cases: number, open: () => Socket): Promise<void> {
  const dice = new Dice(seed)
  let next = 0
  const work = async (): Promise<void> => {
    const client = new Client(open)
    while (next < cases) {
      const number = next++
      const one = nextCase(dice)
      const sentinel = `sentinel ${number};`
      const request = `\n\nGET /qvd/sentinel?n=${number} HTTP/1.1\n\n`
      // What is right is answered, however slow the machine is; the rest may wait for what never comes.
      const patience = one.expected === 'good' ? DEADLINE_MS : PATIENCE_MS
      const text = await client.send(Buffer.concat([one.bytes, Buffer.from(request)]), sentinel, patience)
      try {
        judge(one, sentinel, text)
      } catch (error) {
        const sent = JSON.stringify(one.bytes.toString('latin1').slice(0, 2_000))
        const got = JSON.stringify(text.slice(0, 2_000))
        throw new Error(`seed ${seed}, case ${number} (${one.expected}): sent ${sent}, got ${got}`, {
          cause: error,
        })
      }
    }
    client.close()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  const { text } = await door.exchange('GET /qvd/ping HTTP/1.1\n\n', (heard) =>
    heard.endsWith('\r\n\r\n\r\n'),
  )
  expect(text, `the door lives after seed ${seed}`).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function heapMb(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed / 2 ** 20
}

test(`${CASES} bad requests from one seed: each gets a right status or a closed connection`, async () => {
  const descriptorsBefore = readdirSync('/proc/self/fd').length
  const seen = { smuggled: 0 }
  const began = performance.now()
  {
    await using plain = await openDoor({ nx: echoing(seen), listen: { plain: true } })
    await using secure = await openDoor({ nx: echoing(seen) })
    const rounds = 10
    const heaps: number[] = []
    for (let round = 0; round < rounds; round++) {
      await fuzz(plain, SEED + round, (CASES - TLS_CASES) / rounds, () => connect(plain.port, '127.0.0.1'))
      await fuzz(secure, SEED + 100 + round, TLS_CASES / rounds, () =>
        connectTls({ port: secure.port, host: '127.0.0.1', ...TRUSTING }),
      )
      heaps.push(heapMb())
    }
    const grown = (heaps.at(-1) ?? 0) - (heaps[1] ?? 0)
    const seconds = Math.round((performance.now() - began) / 1_000)
    const shown = heaps.map((heap) => heap.toFixed(1)).join(' ')
    console.log(`seed ${SEED}: ${CASES} requests in ${seconds} s, heap in MB after each tenth: ${shown}`)
    // What one kept request costs is more than 200 bytes: a leak would show as some 20 MB.
    expect(grown).toBeLessThan(12)
    const errors = [...plain.lines, ...secure.lines].filter(({ level }) => level === 'error')
    expect(errors).toEqual([])
  }
  expect(seen.smuggled, 'bytes of a body that were read as a request').toBe(0)
  const descriptorsNow = (): number => readdirSync('/proc/self/fd').length
  await expect.poll(descriptorsNow, { timeout: 20_000 }).toBeLessThanOrEqual(descriptorsBefore)
}, 600_000)
