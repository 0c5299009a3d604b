import { comesToHold } from '@ostler/kit/poll.ts'
import { connect as connectTcp } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { type DoorUnderTest, openClient, openDoor } from './door-under-test.ts'

let door: DoorUnderTest
beforeAll(async () => {
  door = await openDoor()
})
afterAll(async () => await door[Symbol.asyncDispose]())

/** One whole answer, or several: every head with as much body as it announces. */
function answersIn(text: string): { status: number; head: string; body: string }[] {
  const answers: { status: number; head: string; body: string }[] = []
  for (let at = 0; at < text.length;) {
    const end = text.indexOf('\r\n\r\n', at)
    if (end === -1) break
    const head = text.slice(at, end + 4)
    const length = Number(/^Content-Length: (\d+)\r$/m.exec(head)?.[1] ?? 0)
    if (text.length < end + 4 + length) break
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1])
    answers.push({ status, head, body: text.slice(end + 4, end + 4 + length) })
    at = end + 4 + length
  }
  return answers
}

const ask = (bytes: string | Buffer, answers = 1) =>
  door.exchange(bytes, (text) => answersIn(text).length === answers)
const PING = 'GET /qvd/ping HTTP/1.1\n\n'
const UPGRADE = 'Connection: Upgrade\nUpgrade: QVD/1.0\n'

describe('C-1 to C-8', () => {
  test('C-1 TLS 1.2 and 1.3 are spoken, older ones are not, and nothing but HTTP/1.1 is agreed on', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      using client = await openClient(door, {
        minVersion: version,
        maxVersion: version,
        ALPNProtocols: ['h2', 'http/1.1'],
      })
      expect(client.socket.getProtocol()).toBe(version)
      expect(client.socket.alpnProtocol).toBe('http/1.1')
    }
    const old = openClient(door, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' })
    await expect(old).rejects.toThrow()
  })

  test('C-1 plain HTTP on the same port where it is wanted', async () => {
    await using plain = await openDoor({ listen: { plain: true } })
    const { text } = await plain.exchange(PING, (heard) => heard.endsWith('alive!\r\n'))
    expect(text).toBe(
      'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nI am alive!\r\n',
    )
    const page = await plain.exchange('GET / HTTP/1.1\r\nHost: a\r\n\r\n', (heard) => heard.includes('page'))
    expect(page.text).toContain('page GET / 0')
  })

  test('C-2 bare line feeds, no Host, no header at all', async () => {
    const { text, closed } = await ask(PING)
    expect(text).toBe(
      'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nI am alive!\r\n',
    )
    expect(closed).toBe(false)
  })

  test.each(['GET /qvd/ping HTTP/1.0\r\n\r\n', 'GET /qvd/ping\r\n', 'GET /qvd/ping HTTP/3\r\n'])(
    'C-3 %j gets 505 and is closed',
    async (request) => {
      const { text, closed } = await door.exchange(request)
      expect(answersIn(text).map(({ status }) => status)).toEqual([505])
      expect(closed).toBe(true)
    },
  )

  test('C-4 a malformed header line gets 400 and is closed, and nothing behind it is read', async () => {
    const { text, closed } = await door.exchange(`GET /qvd/ping HTTP/1.1\nHost localhost\n\n${PING}`)
    expect(answersIn(text).map(({ status }) => status)).toEqual([400])
    expect(closed).toBe(true)
  })

  test('C-5 requests in one write are answered in order, whatever each takes', async () => {
    const { text, closed } = await ask(
      `GET /qvd/slow HTTP/1.1\n\n${PING}GET /qvd/no HTTP/1.1\n\n\nGET /qvd/slow HTTP/1.1\r\n\r\n`,
      4,
    )
    expect(answersIn(text).map(({ body }) => body.slice(0, 5))).toEqual([
      'slow\r',
      'I am ',
      'there',
      'slow\r',
    ])
    expect(closed).toBe(false)
  })

  test('C-6 an unknown path gets 404 with text of the announced length, and the connection lives', async () => {
    const { text } = await ask(`GET /qvd/nothing HTTP/1.1\n\nGET /nothing HTTP/1.1\n\n${PING}`, 3)
    const answers = answersIn(text)
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 200])
    expect(answers[0]?.head).toMatch(
      /^HTTP\/1\.1 404 Not Found\r\nContent-Type: text\/plain\r\nContent-Length: \d+\r\nX-Ostler-Fault: [ -~]+\r\n\r\n$/,
    )
    expect(answers[0]?.body).not.toBe('')
  })

  test('C-7 POST gets 404', async () => {
    const { text } = await ask('POST /qvd/list_of_vm HTTP/1.1\n\n')
    expect(answersIn(text)[0]?.status).toBe(404)
  })

  test('C-8 JSON is ASCII', async () => {
    const { text } = await ask('GET /qvd/list_of_vm HTTP/1.1\n\n')
    expect(text).toContain('\r\nContent-Type: application/json\r\n')
    expect(text).toContain('"B\\u00fcro"')
  })
})

describe('odd requests', () => {
  test('blanks in the target, names in any case, repeated parameters', async () => {
    const { text } = await ask('GET /qvd/echo?a=1&b=x+y z%20%zz&a=2 HTTP/1.1\nauth-X: 1\nAUTH-x: 2\n\n')
    expect(JSON.parse(answersIn(text)[0]?.body ?? '')).toMatchObject({
      parameters: { a: '2', b: 'x y z %zz' },
      headers: { 'auth-x': '1, 2' },
      address: '127.0.0.1',
    })
  })

  test('401 names the way to sign in', async () => {
    const { text } = await ask('GET /qvd/who HTTP/1.1\n\n')
    expect(text).toContain('\r\nWWW-Authenticate: Basic realm="QVD"\r\n')
  })

  test('upgrade headers on an ordinary request are nothing', async () => {
    const { text } = await ask(`GET /qvd/stop_vm?id=1 HTTP/1.1\n${UPGRADE}\n`, 2)
    expect(answersIn(text).map(({ status }) => status)).toEqual([102, 200])
  })

  test('an interim text cannot end its line', async () => {
    const evil = encodeURIComponent('1\r\nX-Evil: 1\r\n\r\nHTTP/1.1 200 OK\u0085\0é')
    for (const end of ['\n\n', '\r\nHost: a\r\n\r\n']) {
      const { text } = await ask(`GET /qvd/stop_vm?id=${evil} HTTP/1.1${end}`, 2)
      const [interim, final] = answersIn(text)
      expect(Buffer.from(interim?.head ?? '', 'latin1').toString()).toBe(
        'HTTP/1.1 102 Processing\r\nX-QVD-VM-Info: Stopping 1  X-Evil: 1    HTTP/1.1 200 OK  é\r\n\r\n',
      )
      expect(final?.body).toBe('Machine stopped\r\n')
    }
  })

  test('an error comes as head and body in separate TLS records', async () => {
    using client = await openClient(door)
    client.socket.write('GET /qvd/nothing HTTP/1.1\n\n')
    await comesToHold(() => client.heard.text.endsWith('nothing\r\n'), 20_000, 10)
    expect(client.heard.pieces).toHaveLength(2)
    expect(client.heard.pieces[0]).toMatch(/\r\n\r\n$/)
  })

  test.each([
    ['a length', 'POST /qvd/list_of_vm HTTP/1.1\nContent-Length: 30', 404],
    ['chunks', 'GET /qvd/ping HTTP/1.1\nTransfer-Encoding: chunked', 200],
    ['an unknown coding', 'GET /qvd/ping HTTP/1.1\nTransfer-Encoding: x', 200],
    ['upgrade headers', `GET /qvd/connect_to_vm HTTP/1.1\n${UPGRADE}Content-Length: 30`, 400],
    ['two lengths', 'GET /qvd/ping HTTP/1.1\nContent-Length: 0\nContent-Length: 30', 400],
    ['length and chunks', 'GET /qvd/ping HTTP/1.1\nContent-Length: 3\nTransfer-Encoding: chunked', 400],
  ])('a body with %s is answered and closes: it is never the next request', async (_, head, status) => {
    const asked = door.requests.length
    const { text, closed } = await door.exchange(`${head}\n\n${PING}${PING}`)
    expect(answersIn(text).map((answer) => answer.status)).toEqual([status])
    expect(closed).toBe(true)
    expect(door.requests.length - asked).toBe(status === 400 ? 0 : 1)
  })

  test('a client that wants the connection closed gets that too', async () => {
    const { text, closed } = await door.exchange(`GET /qvd/ping HTTP/1.1\nConnection: TE, Close\n\n${PING}`)
    expect(answersIn(text).map(({ status }) => status)).toEqual([200])
    expect(closed).toBe(true)
  })

  test('a client that sends for ever behind its last request gets its answer', async () => {
    const { text } = await door.exchange(
      `POST /qvd/a HTTP/1.1\nContent-Length: 999999\n\n${'x'.repeat(300_000)}`,
    )
    expect(answersIn(text)[0]?.status).toBe(404)
  })

  test('a client that has said everything and closed its side is answered', async () => {
    using client = await openClient(door, { allowHalfOpen: true } as object)
    client.socket.end(`GET /qvd/slow HTTP/1.1\n\n${PING}`)
    await comesToHold(() => client.heard.closed, 20_000, 10)
    expect(answersIn(client.heard.text).map(({ status }) => status)).toEqual([200, 200])
  })

  test.each([
    ['bytes of TLS inside TLS', Buffer.from('16030100a1', 'hex'), 400],
    ['a head without end', `GET /qvd/a HTTP/1.1\nX: ${'x'.repeat(40_000)}`, 431],
    ['too many headers', `GET /qvd/a HTTP/1.1\n${'X: x\n'.repeat(101)}`, 431],
    ["a page's head without end", `GET / HTTP/1.1\r\nX: ${'x'.repeat(40_000)}`, 431],
    ["a page's malformed header", 'GET / HTTP/1.1\r\nHost localhost\r\n\r\n', 400],
    ["a page's bare line feeds", 'GET / HTTP/1.1\r\nHost: a\nX: b\n\n', 400],
  ])('%s', async (_, request, status) => {
    const { text, closed } = await door.exchange(request)
    expect(answersIn(text).map((answer) => answer.status)).toEqual([status])
    expect(closed).toBe(true)
  })
})

describe('upgrades', () => {
  test.each([
    ['bare line feeds', `GET /qvd/connect_to_vm?id=1 HTTP/1.1\n${UPGRADE}\n`],
    [
      'a list of tokens in any case',
      'GET /qvd/connect_to_vm?id=1 HTTP/1.1\r\nconnection: keep-alive, UPGRADE\r\nupgrade: QVD/1.0\r\n\r\n',
    ],
    ['an ordinary request before it', `${PING}GET /qvd/connect_to_vm HTTP/1.1\n${UPGRADE}\n`],
  ])('%s: the stream has the bytes behind its request and all that follow', async (_, request) => {
    using client = await openClient(door)
    client.socket.write(`${request}first `)
    await comesToHold(() => client.heard.text.endsWith('first '), 20_000, 10)
    client.socket.write('second ')
    await comesToHold(() => client.heard.text.endsWith('second '), 20_000, 10)
    client.socket.end('third')
    await comesToHold(() => client.heard.closed, 20_000, 10)
    expect(client.heard.text).toMatch(
      /HTTP\/1\.1 102 Processing\r\n.*\r\n\r\nHTTP\/1\.1 101 Switching Protocols\r\n\r\nfirst second third$/,
    )
  })

  test('a page before it, on the same connection', async () => {
    using client = await openClient(door)
    client.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await comesToHold(() => client.heard.text.endsWith('page GET / 0'), 20_000, 10)
    const request = `GET /qvd/connect_to_vm HTTP/1.1\n${UPGRADE}Host: a\n\n`
    client.socket.write(`${request.replaceAll('\n', '\r\n')}first`)
    await comesToHold(() => client.heard.text.endsWith('first'), 20_000, 10)
    expect(client.heard.text).toMatch(/\r\n\r\nHTTP\/1\.1 101 Switching Protocols\r\n\r\nfirst$/)
  })

  test('no upgrade without both headers', async () => {
    const { text } = await ask(
      'GET /qvd/connect_to_vm HTTP/1.1\nUpgrade: QVD/1.0\n\nGET /qvd/connect_to_vm HTTP/1.1\nConnection: Upgrade\n\n',
      2,
    )
    expect(answersIn(text).map(({ status }) => status)).toEqual([404, 404])
  })
})

describe('pages', () => {
  test('a request whose body comes later, byte by byte, and others behind it', async () => {
    using client = await openClient(door)
    const request = 'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789'
    for (const byte of request) {
      client.socket.write(byte)
      await sleep(0)
    }
    await comesToHold(() => client.heard.text.includes('page POST /a 10'), 20_000, 10)
    client.socket.write('GET /b HTTP/1.1\r\nHost: a\r\n\r\nGET /qvd/ping HTTP/1.1\r\nHost: a\r\n\r\n')
    await comesToHold(() => client.heard.text.endsWith('alive!\r\n'), 20_000, 10)
    expect(client.heard.text).toMatch(/page POST \/a 10.*page GET \/b 0.*I am alive!\r\n$/s)
  })

  test('a page asked for by a client that closes her side at once', async () => {
    const page = 'GET /a HTTP/1.1\r\nHost: a\r\n\r\n'
    for (const request of [page, `GET /qvd/nothing HTTP/1.1\n\n${page}`]) {
      using client = await openClient(door, { allowHalfOpen: true } as object)
      client.socket.end(request)
      await comesToHold(() => client.heard.closed, 20_000, 10)
      expect(client.heard.closed).toBe(true)
      expect(client.heard.text).toMatch(/^$|^HTTP\/1\.1 (200 OK|404 Not Found)\r\n/)
    }
    expect(door.lines.filter(({ level }) => level === 'error')).toEqual([])
  })

  test('a page after a list, on the same connection', async () => {
    using client = await openClient(door)
    client.socket.write(`${PING}GET /a HTTP/1.1\r\nHost: a\r\n\r\n`)
    await comesToHold(() => client.heard.text.includes('page GET /a 0'), 20_000, 10)
    expect(client.heard.text).toMatch(/^HTTP\/1\.1 200 OK\r\n.*I am alive!.*page GET \/a 0/s)
  })

  test('a WebSocket', async () => {
    const socket = new WebSocket(`wss://127.0.0.1:${door.port}/portal/socket`, { rejectUnauthorized: false })
    const heard: string[] = []
    socket.on('message', (data: Buffer) => heard.push(data.toString()))
    socket.once('open', () => {
      socket.send('one')
      socket.send('x'.repeat(100_000))
    })
    await comesToHold(() => heard.length === 2, 20_000, 10)
    socket.terminate()
    expect(heard.map((text) => text.slice(0, 8))).toEqual(['echo one', 'echo xxx'])
  })
})

describe('slow clients', () => {
  let hasty: DoorUnderTest
  beforeAll(async () => {
    hasty = await openDoor({
      times: { headMs: 300, idleMs: 900 },
      listen: { times: { helloMs: 300, balancerMs: 300, lookEveryMs: 60_000 } },
    })
  })
  afterAll(async () => await hasty[Symbol.asyncDispose]())

  test('who never ends her head gets 408 and is closed, however busily she sends', async () => {
    using client = await openClient(hasty)
    client.socket.write('GET /qvd/ping HTTP/1.1\n')
    for (let i = 0; !client.heard.closed && i < 2_000; i++) {
      client.socket.write('a')
      await sleep(10)
    }
    expect(answersIn(client.heard.text).map(({ status }) => status)).toEqual([408])
    expect(client.heard.closed).toBe(true)
  })

  test("a page's head is as little waited for", async () => {
    const { text, closed } = await hasty.exchange('GET / HTTP/1.1\r\nHost: a\r\nX')
    expect(answersIn(text).map(({ status }) => status)).toEqual([408])
    expect(closed).toBe(true)
  })

  test('who says nothing at all is closed without a word', async () => {
    expect(await hasty.exchange('')).toEqual({ text: '', closed: true })
    expect(await hasty.exchange('\r\n')).toEqual({ text: '', closed: true })
  })

  test('who says nothing more is closed without a word', async () => {
    const { text, closed } = await hasty.exchange(PING)
    expect(answersIn(text).map(({ status }) => status)).toEqual([200])
    expect(closed).toBe(true)
  })

  test.each([
    ['nothing', ''],
    ['half of her first words', Buffer.from('16030102000100', 'hex')],
  ])('who says %s before TLS is closed', async (_, bytes) => {
    const socket = connectTcp(hasty.port, '127.0.0.1', () => socket.write(bytes))
    const closed = await comesToHold(() => socket.destroyed, 20_000, 10)
    socket.on('error', () => {}).resume()
    expect(closed || (await comesToHold(() => socket.destroyed, 20_000, 10))).toBe(true)
  })

  test('who takes no answers is closed, and does not fill our memory', async () => {
    await using deaf = await openDoor({ times: { writeMs: 300 }, listen: { plain: true } })
    const socket = connectTcp(deaf.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.pause()
    const many = 'GET /qvd/list_of_vm HTTP/1.1\n\n'.repeat(2_000)
    // As long as it is read, more is sent.
    const feed = (): void => {
      while (!socket.destroyed && socket.write(many));
    }
    socket.on('drain', feed)
    feed()
    let closed = false
    socket.on('close', () => (closed = true))
    expect(await comesToHold(() => closed, 50_000, 50)).toBe(true)
  })
})
