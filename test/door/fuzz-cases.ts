/** Numbers that are the same for the same seed (mulberry32). */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A whole number from 0 up to and without `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % end
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T
  }
}

/** One thing to send, and what may come of it. */
export interface FuzzCase {
  readonly bytes: Buffer
  /** `good`: it is answered with 200. `bad`: it is refused. `any`: whatever, as long as it is HTTP. */
  readonly expected: 'good' | 'bad' | 'any'
}

/** A path that only bytes ask for that must never be read as a request. */
export const SMUGGLED = '/qvd/smuggled'

const HIDDEN = `GET ${SMUGGLED} HTTP/1.1\r\nHost: a\r\n\r\n`
const CHUNKED = `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`
const LOGIN = `Authorization: Basic ${Buffer.from('ann:secret').toString('base64')}`
const UPGRADE = ['Connection: Upgrade', 'Upgrade: QVD/1.0']

/** What QVD's clients and a browser send. */
const GOOD: readonly (readonly string[])[] = [
  ['GET /qvd/ping HTTP/1.1'],
  ['GET /qvd/list_of_vm HTTP/1.1', 'Host: localhost:8443', LOGIN, 'User-Agent: QVD/3.1', 'Accept: */*'],
  ['GET /qvd/list_of_vm? HTTP/1.1', LOGIN, 'Accept: application/json', 'User-Agent: QVD::HTTPC/0.01 (linux)'],
  ['GET /qvd/stop_vm?id=1 HTTP/1.1', LOGIN, ...UPGRADE],
  ['GET /qvd/list_of_vm HTTP/1.1', 'Auth-Client: x', ' y', 'AUTH_b: B\xfcro', 'auth-c: B\xc3\xbcro'],
]
const UPGRADING = [
  'GET /qvd/connect_to_vm?id=1&qvd.client.os=linux&qvd.client.geometry=1100x800&qvd.client.link=adsl HTTP/1.1',
  LOGIN,
  ...UPGRADE,
]
const PAGE = ['GET /portal/ HTTP/1.1', 'Host: localhost', 'Cookie: a=b']

/** Ways of saying how long a body is, each of which another server might read in another way. */
const FRAMINGS: readonly string[] = [
  `Content-Length: ${HIDDEN.length}`,
  `content-length:${HIDDEN.length}`,
  `CONTENT-LENGTH:\t${HIDDEN.length}\t`,
  `Content-Length : ${HIDDEN.length}`,
  ` Content-Length: ${HIDDEN.length}`,
  `Content-Length: 0\nContent-Length: ${HIDDEN.length}`,
  `Content-Length: ${HIDDEN.length}\nContent-Length: 0`,
  `Content-Length: 0, ${HIDDEN.length}`,
  `Content-Length: +${HIDDEN.length}`,
  `Content-Length: -1`,
  `Content-Length: 0x2f`,
  `Content-Length: 1e1`,
  `Content-Length: ${HIDDEN.length}\n 0`,
  `Content-Length:\n ${HIDDEN.length}`,
  'Content-Length: 99999999999999999999999',
  'Content-Length: 18446744073709551616',
  'Content-Length: 00001',
  'Content-Length:',
  'Transfer-Encoding: chunked',
  'transfer-encoding:chunked',
  'Transfer-Encoding: Chunked ',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: identity\nTransfer-Encoding: chunked',
  'Transfer-Encoding:\n chunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding: "chunked"',
  'Transfer-Encoding: chunked\nContent-Length: 0',
  `Content-Length: 4\nTransfer-Encoding: chunked`,
  'X: y\rTransfer-Encoding: chunked',
  'X: y\r\rTransfer-Encoding: chunked',
  'X\0: y\nTransfer-Encoding: chunked',
  'Transfer-Encoding\0: chunked',
  'Transfer-Encoding: \x0bchunked',
  'Expect: 100-continue\nContent-Length: 10',
]

const STRANGE: readonly string[] = [
  '\r',
  '\n',
  '\r\n',
  '\n\n',
  '\r\n\r\n',
  '\r\r\n',
  '\n\r\n',
  '\0',
  '\t',
  ' ',
  '  ',
  ':',
  '?',
  '&',
  '=',
  '%',
  '%0d%0a',
  '%00',
  '%zz',
  'HTTP/1.1',
  ' HTTP/1.0',
  ' HTTP/9.9',
  '\x7f',
  '\x80',
  '\xff',
  '\x85',
  '\xe2\x80\xa8',
  '\u001b[2J',
  'A: b\n',
  'Content-Length: 5\n',
  'Transfer-Encoding: chunked\n',
  'Upgrade: QVD/1.0\n',
  '-1',
  '0',
  '2147483648',
  '99999999999999999999',
  '1e999',
  '__proto__',
  'constructor',
  '../',
  '//',
  '/qvd/',
  'http://a/',
  '\x16\x03\x01',
]

/** What would begin a header or an answer of its own if it were echoed as it is. */
const INJECTED: readonly string[] = [
  '\r\nX-Evil: 1',
  '\nX-Evil: 1',
  '\rX-Evil: 1',
  '\r\n\r\nHTTP/1.1 200 OK\r\nX-Evil: 1\r\n\r\n',
  '\0\r\n X-Evil: 1',
  '\u0085X-Evil: 1',
  '\u2028X-Evil: 1',
  '嘊嘍X-Evil: 1',
  '"\r\nX-Evil: 1\r\n"',
  '\x7f\x1b',
  'ä€😀',
]

/** The next thing to send. */
export function nextCase(dice: Dice): FuzzCase {
  const kind = dice.below(20)
  if (kind < 4) return { bytes: join(dice, dice.pick(GOOD)), expected: 'good' }
  if (kind < 7) return smuggling(dice)
  if (kind < 9) return injection(dice)
  if (kind < 10) return tooMuch(dice)
  return { bytes: mutated(dice), expected: 'any' }
}

/** Lines with ends of one kind or mixed ones, and empty lines before the first. */
function join(dice: Dice, lines: readonly string[]): Buffer {
  const end = dice.pick<string | undefined>(['\n', '\r\n', undefined])
  const ended = [...lines, ''].map((line) => line + (end ?? dice.pick(['\n', '\r\n'])))
  return Buffer.from(dice.pick(['', '', '\n', '\r\n\r\n']) + ended.join(''), 'latin1')
}

function smuggling(dice: Dice): FuzzCase {
  const framing = dice.pick(FRAMINGS).split('\n')
  const head = [
    dice.pick(['GET', 'POST', 'HEAD']),
    dice.pick(['/qvd/ping', '/qvd/list_of_vm', '/qvd/connect_to_vm']),
  ]
  const more = dice.pick<readonly string[]>([[], [LOGIN], UPGRADE])
  const lines = [`${head.join(' ')} HTTP/1.1`, ...more, ...framing, ...dice.pick([[], ['X: y']])]
  // Everything here ends the connection, so whatever comes behind it must not be read.
  return {
    bytes: Buffer.concat([join(dice, lines), Buffer.from(dice.pick([HIDDEN, CHUNKED]))]),
    expected: 'any',
  }
}

function injection(dice: Dice): FuzzCase {
  const evil = dice.pick(INJECTED)
  const path = dice.pick(['/qvd/stop_vm?id=', '/qvd/reflect?login=', '/qvd/nothing?'])
  return { bytes: join(dice, [`GET ${path}${encodeURIComponent(evil)} HTTP/1.1`]), expected: 'any' }
}

function tooMuch(dice: Dice): FuzzCase {
  const long = 'x'.repeat(16_384 + dice.below(2_000))
  const lines = dice.pick([
    [`GET /qvd/${long} HTTP/1.1`],
    ['GET /qvd/ping HTTP/1.1', `X: ${long}`],
    ['GET /qvd/ping HTTP/1.1', `${long}: x`],
    ['GET /qvd/ping HTTP/1.1', ...Array<string>(101 + dice.below(200)).fill('X: y')],
    ['GET /qvd/ping HTTP/1.1', 'X: y', ...Array<string>(4_200 + dice.below(200)).fill(' yz')],
  ])
  return { bytes: join(dice, lines), expected: 'bad' }
}

function mutated(dice: Dice): Buffer {
  let bytes: Buffer = join(dice, dice.pick([...GOOD, ...GOOD, UPGRADING, PAGE]))
  for (let times = 1 + dice.below(4); times > 0; times--) bytes = mutate(dice, bytes)
  return bytes
}

function mutate(dice: Dice, bytes: Buffer): Buffer {
  const at = dice.below(bytes.length + 1)
  const to = Math.min(bytes.length, at + dice.below(30))
  switch (dice.below(8)) {
    case 0: {
      const flipped = Buffer.from(bytes)
      const index = Math.min(at, bytes.length - 1)
      if (index >= 0) flipped[index] = (flipped[index] ?? 0) ^ (1 << dice.below(8))
      return flipped
    }
    case 1:
      return bytes.subarray(0, at)
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)])
    case 3:
      return Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)])
    case 4: {
      // A line again, somewhere else.
      const lines = bytes.toString('latin1').split('\n')
      lines.splice(dice.below(lines.length), 0, dice.pick(lines))
      return Buffer.from(lines.join('\n'), 'latin1')
    }
    case 5: {
      const numbers = ['-1', '0', '4294967296', '9'.repeat(1 + dice.below(400)), '1.1', '1e9', '٣']
      return Buffer.from(bytes.toString('latin1').replace(/\d+/, dice.pick(numbers)))
    }
    default:
      return Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from(dice.pick(STRANGE), 'latin1'),
        bytes.subarray(at),
      ])
  }
}
