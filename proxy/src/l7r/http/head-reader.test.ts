import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HeadReader, type Read } from './head-reader.ts'

const isElsewhere = (path: string): boolean => !path.startsWith('/qvd/')

/** Everything that a reader says about some pieces, until it needs more or can go no further. */
function readAll(pieces: readonly Buffer[]): Read[] {
  const reader = new HeadReader(isElsewhere)
  const said: Read[] = []
  for (const piece of pieces) {
    reader.push(piece)
    for (;;) {
      const read = reader.next()
      if (read.kind === 'incomplete') break
      said.push(read)
      if (read.kind !== 'head') return said
    }
  }
  return said
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const readText = (text: string): Read[] => readAll([bytes(text)])

function headOf(text: string) {
  const [read, ...more] = readText(text)
  expect(more).toEqual([])
  if (read?.kind !== 'head') throw new Error(`no head but ${JSON.stringify(read)}`)
  return { ...read.head, headers: Object.fromEntries(read.head.headers) }
}

const PING = { method: 'GET', target: '/qvd/ping', headers: {}, hasBody: false }

describe('heads that are taken', () => {
  test.each([
    ['line feeds and nothing else', 'GET /qvd/ping HTTP/1.1\n\n', PING],
    ['carriage returns', 'GET /qvd/ping HTTP/1.1\r\n\r\n', PING],
    ['both kinds of line ends', 'GET /qvd/ping HTTP/1.1\r\n\n', PING],
    ['empty lines first', '\n\r\n\nGET /qvd/ping HTTP/1.1\n\n', PING],
    ['blanks around', ' GET \t/qvd/ping   HTTP/1.1\t \n\n', PING],
    [
      'blanks in the target',
      'GET /qvd/connect_to_vm?id=1&custom.a=b  c HTTP/1.1\n\n',
      { ...PING, target: '/qvd/connect_to_vm?id=1&custom.a=b  c' },
    ],
    [
      'a version in the target',
      'GET /qvd/ping HTTP/1.0 HTTP/1.1\n\n',
      { ...PING, target: '/qvd/ping HTTP/1.0' },
    ],
    [
      'names in any case, with every character of a token',
      "GET /qvd/ping HTTP/1.1\naUTH-x_y!#$%&'*+.^`|~1: v\n\n",
      { ...PING, headers: { "auth-x_y!#$%&'*+.^`|~1": 'v' } },
    ],
    [
      'blanks around a value, and none',
      'GET /qvd/ping HTTP/1.1\nA: \t b c \t\nD:e\nF:\n\n',
      { ...PING, headers: { a: 'b c', d: 'e', f: '' } },
    ],
    [
      'continuation lines',
      'GET /qvd/ping HTTP/1.1\r\nA: b\r\n  c\r\n\td \r\nE:\r\n f\r\n\r\n',
      { ...PING, headers: { a: 'b c d', e: 'f' } },
    ],
    [
      'a header of several lines',
      'GET /qvd/ping HTTP/1.1\nA: b\nC: d\na: e\n\n',
      { ...PING, headers: { a: 'b, e', c: 'd' } },
    ],
    ['UTF-8', 'GET /qvd/ping HTTP/1.1\nA: B\xc3\xbcro\n\n', { ...PING, headers: { a: 'Büro' } }],
    ['Latin-1', 'GET /qvd/ping HTTP/1.1\nA: B\xfcro\n\n', { ...PING, headers: { a: 'Büro' } }],
    [
      'names that objects have too',
      'GET /qvd/ping HTTP/1.1\n__proto__: a\nconstructor: b\n\n',
      {
        ...PING,
        headers: Object.fromEntries([
          ['__proto__', 'a'],
          ['constructor', 'b'],
        ]),
      },
    ],
    [
      'no body, and said so',
      'GET /qvd/ping HTTP/1.1\nContent-Length: 00\n\n',
      { ...PING, headers: { 'content-length': '00' } },
    ],
    [
      'a body',
      'POST /qvd/ping HTTP/1.1\nContent-Length: 5\n\n',
      { ...PING, method: 'POST', headers: { 'content-length': '5' }, hasBody: true },
    ],
    [
      'a body in chunks',
      'GET /qvd/ping HTTP/1.1\nTransfer-Encoding: chunked\n\n',
      { ...PING, headers: { 'transfer-encoding': 'chunked' }, hasBody: true },
    ],
    [
      'a coding that nobody knows',
      'GET /qvd/ping HTTP/1.1\nTransfer-Encoding:\n\n',
      { ...PING, headers: { 'transfer-encoding': '' }, hasBody: true },
    ],
  ])('%s', (_, text, expected) => {
    expect(headOf(text)).toEqual(expected)
  })
})

describe('heads that are refused', () => {
  test.each([
    [505, 'an old version', 'GET /qvd/ping HTTP/1.0\r\n'],
    [505, 'a new version', 'GET /qvd/ping HTTP/2.0\r\n'],
    [505, 'the begin of HTTP/2', 'PRI * HTTP/2.0\r\n'],
    [505, 'no version', 'GET /qvd/ping\r\n'],
    [505, 'no version of a page', 'GET /\r\n'],
    [505, 'a version in small letters', 'GET /qvd/ping http/1.1\n'],
    [505, 'a version of too many digits', 'GET /qvd/ping HTTP/1.1000\n'],
    [400, 'text', 'garbage\n'],
    [400, 'two words', 'some garbage\n'],
    [400, 'no target', 'GET HTTP/1.1\n'],
    [400, 'no target but blanks', 'GET   HTTP/1.1\n'],
    [400, 'a method that is no token', 'G(T /qvd/ping HTTP/1.1\n'],
    [400, 'a TLS record', '\x16\x03\x01'],
    [400, 'a NUL', 'GET /qvd/pi\0'],
    [400, 'a DEL', 'GET /qvd/pi\x7f'],
    [400, 'a control character of Latin-1', 'GET /qvd/pi\x85ng HTTP/1.1\n'],
    [400, 'a carriage return alone', 'GET /qvd/ping HTTP/1.1\rA'],
    [400, 'two carriage returns', 'GET /qvd/ping HTTP/1.1\r\r'],
    [400, 'no colon', 'GET /qvd/ping HTTP/1.1\nHost localhost\n'],
    [400, 'no name', 'GET /qvd/ping HTTP/1.1\n: a\n'],
    [400, 'a blank before the colon', 'GET /qvd/ping HTTP/1.1\nContent-Length : 5\n'],
    [400, 'a name that is no token', 'GET /qvd/ping HTTP/1.1\nA(b): c\n'],
    [400, 'a name in other letters', 'GET /qvd/ping HTTP/1.1\nB\xfcro: c\n'],
    [400, 'a continuation of nothing', 'GET /qvd/ping HTTP/1.1\n A: b\n'],
    [400, 'a control character in a value', 'GET /qvd/ping HTTP/1.1\nA: b\x07\n'],
    [400, 'two lengths', 'GET /qvd/ping HTTP/1.1\nContent-Length: 1\nContent-Length: 2\n'],
    [400, 'two equal lengths', 'GET /qvd/ping HTTP/1.1\nContent-Length: 1\ncontent-length: 1\n'],
    [400, 'two lengths on one line', 'GET /qvd/ping HTTP/1.1\nContent-Length: 1, 1\n\n'],
    [400, 'a length with a sign', 'GET /qvd/ping HTTP/1.1\nContent-Length: +1\n\n'],
    [400, 'a length in hex', 'GET /qvd/ping HTTP/1.1\nContent-Length: 0x1\n\n'],
    [400, 'an empty length', 'GET /qvd/ping HTTP/1.1\nContent-Length:\n\n'],
    [400, 'a length that goes on', 'GET /qvd/ping HTTP/1.1\nContent-Length: 1\n 2\n'],
    [400, 'a length that looks like a continuation', 'GET /qvd/ping HTTP/1.1\nA: b\n Content-Length : 5\n'],
    [400, 'a coding that goes on', 'GET /qvd/ping HTTP/1.1\nTransfer-Encoding:\n chunked\n'],
    [
      400,
      'a length and a coding',
      'GET /qvd/ping HTTP/1.1\nContent-Length: 0\nTransfer-Encoding: chunked\n\n',
    ],
    [431, 'too many headers', `GET /qvd/ping HTTP/1.1\n${'A: b\n'.repeat(101)}`],
    [431, 'a long target', `GET /qvd/ping?${'a'.repeat(20_000)}`],
    [431, 'long headers', `GET /qvd/ping HTTP/1.1\nA: ${'a'.repeat(20_000)}\n\n`],
    [431, 'empty lines without end', '\n'.repeat(20_000)],
  ])('%d: %s', (status, _, text) => {
    expect(readText(text)).toEqual([{ kind: 'refused', status }])
    // And it stays so, whatever comes.
    expect(readText(`${text}\n\nGET /qvd/ping HTTP/1.1\n\n`).at(-1)).toEqual({ kind: 'refused', status })
  })

  test('a head of exactly 16 KiB and 100 headers is taken', () => {
    const few = 'A: b\r\n'.repeat(99)
    const begin = `GET /qvd/ping HTTP/1.1\r\n${few}C: `
    const text = `${begin}${'d'.repeat(16_384 - begin.length - 4)}\r\n\r\n`
    expect(text.length).toBe(16_384)
    expect(readText(text)[0]?.kind).toBe('head')
    expect(readText(text.replace('C: ', 'C:  '))).toEqual([{ kind: 'refused', status: 431 }])
  })
})

describe('what is for another parser', () => {
  test.each([
    'GET / HTTP/1.1\r\n',
    'GET /qvd HTTP/1.0\r\n',
    'OPTIONS * HTTP/1.1\r\n',
    'GET http://a/ HTTP/1.1\r\n',
  ])('%s', (line) => {
    const reader = new HeadReader(isElsewhere)
    reader.push(bytes(`\r\n${line}Host`))
    expect(reader.next()).toEqual({ kind: 'elsewhere' })
    expect(reader.takeRest().toString()).toBe(`${line}Host`)
  })

  test('a bare line feed is ours everywhere: a strict parser does not know it', () => {
    expect(headOf('GET /nothing HTTP/1.1\n\n').target).toBe('/nothing')
  })
})

test('what follows a head is kept', () => {
  const reader = new HeadReader(isElsewhere)
  reader.push(bytes('GET /qvd/a HTTP/1.1\n\nGET /qvd/b HTTP/1.1\n\nNXPROXY-3.5'))
  expect(reader.next()).toMatchObject({ head: { target: '/qvd/a' } })
  expect(reader.next()).toMatchObject({ head: { target: '/qvd/b' } })
  expect(reader.takeRest().toString()).toBe('NXPROXY-3.5')
  expect(reader.next()).toEqual({ kind: 'incomplete', begun: false })
})

test('a head has begun with its first byte, not with empty lines', () => {
  const reader = new HeadReader(isElsewhere)
  reader.push(bytes('\r\n\n'))
  expect(reader.next()).toEqual({ kind: 'incomplete', begun: false })
  reader.push(bytes('G'))
  expect(reader.next()).toEqual({ kind: 'incomplete', begun: true })
})

describe('the pieces in which bytes come do not matter', () => {
  const line = fc.constantFrom(
    'GET /qvd/ping HTTP/1.1',
    'GET /qvd/a?b=c d HTTP/1.1',
    'GET /qvd/ping HTTP/1.0',
    'GET / HTTP/1.1',
    'A: b',
    ' c',
    'Content-Length: 5',
    'Transfer-Encoding: chunked',
    'B\xfcro',
    '\0',
    '\r',
    '',
    '',
    `X: ${'x'.repeat(5_000)}`,
  )
  const stream = fc
    .array(fc.tuple(line, fc.constantFrom('\n', '\r\n', '\r\n', '\r')), { maxLength: 20 })
    .map((lines) => bytes(`GET /qvd/first HTTP/1.1\n${lines.map(([text, end]) => text + end).join('')}`))

  test('one by one', () => {
    fc.assert(
      fc.property(stream, (whole) => {
        const single = Array.from(whole, (_, index) => whole.subarray(index, index + 1))
        expect(readAll(single)).toEqual(readAll([whole]))
      }),
      { seed: 20_261, numRuns: 300 },
    )
  })

  test('cut anywhere', () => {
    fc.assert(
      fc.property(
        stream,
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 }),
        (whole, cuts) => {
          const at = [
            0,
            ...cuts.map((cut) => Math.floor(cut * whole.length)).sort((a, b) => a - b),
            whole.length,
          ]
          const pieces = at.slice(1).map((end, index) => whole.subarray(at[index], end))
          expect(readAll(pieces)).toEqual(readAll([whole]))
        },
      ),
      { seed: 20_262, numRuns: 2_000 },
    )
  })

  test('any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (array, cut) => {
        const whole = Buffer.from(array)
        expect(readAll([whole.subarray(0, cut), whole.subarray(cut)])).toEqual(readAll([whole]))
      }),
      { seed: 20_263, numRuns: 2_000 },
    )
  })
})
