import { Secret } from '@ostler/kit/secret.ts'
import { type Duplex, duplexPair } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Fault } from './fault.ts'
import { serveSlave, type SlaveRoute } from './slave-server.ts'

const KEY = 'Ab0'.repeat(21) + 'z'
const AUTH = `Authorization: Basic ${KEY}`

interface Connection {
  readonly far: Duplex
  readonly served: Promise<void>
  /** All that was answered, until the end. */
  readonly answers: Promise<string>
}

function connect(
  routes: readonly SlaveRoute[] = [],
  key = (): Secret | undefined => new Secret(KEY),
): Connection {
  const [near, far] = duplexPair()
  const chunks: Buffer[] = []
  far.on('data', (chunk: Buffer) => chunks.push(chunk))
  const text = (): string => Buffer.concat(chunks).toString('utf8')
  const answers = new Promise<string>((resolve) => {
    for (const event of ['end', 'close']) far.once(event, () => resolve(text()))
  })
  return { far, answers, served: serveSlave(near, { key, routes, onTrouble: () => {} }) }
}

async function exchange(bytes: string | Buffer, routes?: readonly SlaveRoute[]): Promise<string> {
  const { far, answers } = connect(routes)
  far.end(bytes)
  return await answers
}

const request = (line: string, ...headers: string[]): string => [line, ...headers, '', ''].join('\r\n')
const statuses = (answers: string): number[] =>
  [...answers.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status))

describe('what is answered', () => {
  test('ping and version, one after the other on one connection', async () => {
    const answers = await exchange(
      request('GET /ping HTTP/1.1', AUTH) + request('GET /version HTTP/1.1', AUTH),
    )
    expect(answers).toBe(
      'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nPong!\n' +
        'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n4.2\n',
    )
  })

  test('bare line feeds, empty lines before a request and headers of any case', async () => {
    expect(await exchange(`\r\n\n\nGET /ping HTTP/1.1\nAUTHORIZATION:basic ${KEY}\n\n`)).toMatch(/Pong!\n$/)
  })

  test('what nobody serves is 404, and the connection goes on', async () => {
    const answers = await exchange(
      request('GET /nothing HTTP/1.1', AUTH) + request('GET /ping HTTP/1.1', AUTH),
    )
    expect(statuses(answers)).toEqual([404, 200])
  })

  test.each([
    ['GET /tcp/*', 'GET /tcp/80', '80'],
    ['GET /tcp/*', 'GET /tcp/8/0', undefined],
    ['GET /tcp/*', 'GET /tcp/', undefined],
    ['GET /shares/**', 'GET /shares//home/a b/ü?x%20', '/home/a b/ü?x%20'],
    ['GET /shares/**', 'PUT /shares/x', undefined],
    ['POST /usbip', 'POST /usbip?x=1', ''],
    ['POST /usbip', 'POST /usbip/1', undefined],
  ])('%s stands for %s: %j', async (route, line, rest) => {
    const heard: string[] = []
    const answer: SlaveRoute['answer'] = (asked) => {
      heard.push(asked.rest)
      return { status: 200, text: '' }
    }
    const answers = await exchange(request(`${line} HTTP/1.1`, AUTH), [{ route, answer }])
    expect(heard).toEqual(rest === undefined ? [] : [rest])
    expect(statuses(answers)).toEqual([rest === undefined ? 404 : 200])
  })

  test('a body is read whole, and what follows it is the next request', async () => {
    const bodies: string[] = []
    const route: SlaveRoute = {
      route: 'POST /it',
      maxBody: 10,
      answer: ({ body }) => {
        bodies.push(body.toString())
        return { status: 200, text: 'ok' }
      },
    }
    const post = request('POST /it HTTP/1.1', AUTH, 'Content-Length: 5')
    expect(statuses(await exchange(`${post}helloGET /ping HTTP/1.1\r\n${AUTH}\r\n\r\n`, [route]))).toEqual([
      200, 200,
    ])
    expect(bodies).toEqual(['hello'])
  })

  test('a fault of a route is its answer, and nothing else is told', async () => {
    const answers = await exchange(request('GET /a HTTP/1.1', AUTH) + request('GET /b HTTP/1.1', AUTH), [
      {
        route: 'GET /a',
        answer: () => {
          throw new Fault('slave.folder', { path: 'x' })
        },
      },
      {
        route: 'GET /b',
        answer: () => {
          throw new Error('the password is swordfish')
        },
      },
    ])
    expect(statuses(answers)).toEqual([404, 500])
    expect(answers).toContain('Path x not found')
    expect(answers).not.toContain('swordfish')
  })

  test('after an upgrade the stream is the taker’s, with what came behind the request', async () => {
    const route: SlaveRoute = {
      route: 'POST /raw',
      answer: ({ stream, head }) => ({
        upgrade: { 'X-One': '1' },
        take: () => stream.end(`<${head.toString()}>`),
      }),
    }
    expect(await exchange(`${request('POST /raw HTTP/1.1', AUTH)}early`, [route])).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nX-One: 1\r\n\r\n<early>',
    )
  })
})

describe('without the right key nothing is answered, on no route', () => {
  const routes: SlaveRoute[] = [
    { route: 'PUT /shares/**', answer: () => ({ status: 200, text: 'oh' }) },
    { route: 'GET /shares/**', answer: () => ({ status: 200, text: 'oh' }) },
  ]
  const lines = ['GET /ping', 'GET /version', 'PUT /shares/x', 'GET /shares//etc', 'GET /unknown', 'DELETE /']

  test.each(lines)('%s without a key is 401 and the end', async (line) => {
    const answers = await exchange(request(`${line} HTTP/1.1`) + request('GET /ping HTTP/1.1', AUTH), routes)
    expect(statuses(answers)).toEqual([401])
    expect(answers).toContain('WWW-Authenticate: Basic realm="QVD"\r\n')
  })

  test.each(lines)('%s with another key is 403 and the end', async (line) => {
    for (const key of [
      `${KEY}x`,
      KEY.slice(1),
      KEY.toLowerCase(),
      '',
      Buffer.from(`:${KEY}`).toString('base64'),
    ]) {
      const wrong = request(`${line} HTTP/1.1`, `Authorization: Basic ${key}`)
      const answers = await exchange(wrong + request('GET /ping HTTP/1.1', AUTH), routes)
      expect(statuses(answers)).toEqual([403])
      expect(answers).not.toContain(KEY)
    }
  })

  test.each(['Bearer', 'Digest', ''])('a key that comes as "%s" is none', async (scheme) => {
    const answers = await exchange(request('GET /ping HTTP/1.1', `Authorization: ${scheme} ${KEY}`))
    expect(statuses(answers)).toEqual([403])
  })

  test.each([undefined, new Secret('')])('where there is no key nobody has it', async (key) => {
    const { far, answers } = connect([], () => key)
    far.end(request('GET /ping HTTP/1.1', 'Authorization: Basic '))
    expect(statuses(await answers)).toEqual([403])
  })
})

describe('hostile bytes', () => {
  test.each<[string, string | Buffer, number]>([
    ['garbage', Buffer.from(Array.from({ length: 3_000 }, (_, index) => (index * 7_919) % 256)), 400],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 400],
    ['a TLS hello', Buffer.from('16030100c8010000c40303\n\n', 'latin1'), 400],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['a target without a slash', request('GET ping HTTP/1.1', AUTH), 400],
    ['a NUL in the line', request('GET /pi\0ng HTTP/1.1', AUTH), 400],
    ['a header without a colon', request('GET /ping HTTP/1.1', AUTH, 'nonsense'), 400],
    ['two keys', request('GET /ping HTTP/1.1', AUTH, AUTH), 400],
    ['two lengths', request('GET /ping HTTP/1.1', AUTH, 'Content-Length: 0', 'content-length: 5'), 400],
    [
      '101 headers',
      request('GET /ping HTTP/1.1', ...Array.from({ length: 101 }, (_, i) => `X-${i}: 1`)),
      400,
    ],
    ['a head of 17 kB', request('GET /ping HTTP/1.1', `X: ${'x'.repeat(17_000)}`), 431],
    ['a head without an end', 'GET /ping HTTP/1.1\r\nX: ', 400],
    ['an endless line', 'G'.repeat(20_000), 431],
    ['a length that is none', request('GET /ping HTTP/1.1', AUTH, 'Content-Length: 1e9'), 400],
    ['a negative length', request('GET /ping HTTP/1.1', AUTH, 'Content-Length: -1'), 400],
    ['a huge length', request('GET /ping HTTP/1.1', AUTH, 'Content-Length: 999999999999'), 413],
    [
      'a length beyond numbers',
      request('GET /ping HTTP/1.1', AUTH, `Content-Length: ${'9'.repeat(40)}`),
      400,
    ],
    ['chunks', request('GET /ping HTTP/1.1', AUTH, 'Transfer-Encoding: chunked'), 411],
  ])('%s', async (_, bytes, status) => {
    expect(statuses(await exchange(bytes))).toEqual([status])
  })

  test('a refused body is not taken in first', async () => {
    const route: SlaveRoute = {
      route: 'POST /it',
      maxBody: 1 << 30,
      before: () => {
        throw new Fault('slave.forbidden', { what: 'it', reason: 'no' })
      },
      answer: () => ({ status: 200, text: 'oh' }),
    }
    const { far, answers } = connect([route])
    far.write(request('POST /it HTTP/1.1', AUTH, `Content-Length: ${1 << 30}`))
    expect(statuses(await answers)).toEqual([403])
  })
})

describe('who takes their time', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
  afterEach(() => void vi.useRealTimers())

  test('a head that trickles in is given ten seconds, however it trickles', async () => {
    const { far, answers } = connect()
    const bytes = request('GET /ping HTTP/1.1', AUTH)
    for (let at = 0; at < 11; at++) {
      far.write(bytes[at] ?? '')
      await vi.advanceTimersByTimeAsync(1_000)
    }
    expect(statuses(await answers)).toEqual([408])
  })

  test('who says nothing is not kept either', async () => {
    const { answers } = connect()
    await vi.advanceTimersByTimeAsync(11_000)
    expect(statuses(await answers)).toEqual([408])
  })

  test('a body that does not come is given up', async () => {
    const route: SlaveRoute = { route: 'POST /it', maxBody: 5, answer: () => ({ status: 200, text: 'oh' }) }
    const { far, answers } = connect([route])
    far.write(request('POST /it HTTP/1.1', AUTH, 'Content-Length: 5'))
    for (let at = 0; at < 4; at++) {
      far.write('x')
      await vi.advanceTimersByTimeAsync(31_000)
    }
    expect(statuses(await answers)).toEqual([408])
  })

  test('a connection that is refused and never closed is destroyed', async () => {
    const { far, served } = connect()
    far.write('nonsense\n\n')
    await served
    await vi.advanceTimersByTimeAsync(11_000)
    expect(far.destroyed || far.readableEnded).toBe(true)
  })
})
