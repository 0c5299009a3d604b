import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type Head, readBody, readUpgrade } from './upgrade.ts'

/** Feeds chunks one after the other, then ends the stream if asked to. */
async function feed(chunks: readonly (string | Buffer)[], end = false) {
  const stream = new PassThrough()
  const interim: Head[] = []
  const result = readUpgrade(stream, (head) => interim.push(head)).catch((error: unknown) => error as Error)
  for (const chunk of chunks) {
    if (chunk.length > 0) stream.write(chunk)
    await turn()
  }
  if (end) stream.end()
  const settled = await result
  if (settled instanceof Error) throw settled
  return { result: settled, interim, stream }
}

const ANSWER =
  'HTTP/1.1 102 Processing\r\nX-QVD-VM-Info: Starting\r\n\r\n' +
  'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\nNXPROXY-3'

test('heads are read wherever the bytes are split, and no byte behind them is lost', async () => {
  for (let at = 0; at <= ANSWER.length; at++) {
    const { result, interim, stream } = await feed([ANSWER.slice(0, at), ANSWER.slice(at)])
    const more = (stream.read() as Buffer | null) ?? ''
    expect(interim.map(({ status }) => status)).toEqual([102, 102])
    expect(interim[0]?.headers.get('x-qvd-vm-info')).toBe('Starting')
    expect([result.head.status, result.rest.toString() + more.toString()]).toEqual([101, 'NXPROXY-3'])
  }
})

test('heads are read byte by byte', async () => {
  const { result, interim } = await feed(ANSWER.slice(0, -9).split(''))
  expect([result.head.status, interim.length, result.rest.length]).toEqual([101, 2, 0])
})

test('a 101 without the headers of HTTP is taken', async () => {
  const { result } = await feed(['HTTP/1.1 101\r\n\r\n'])
  expect(result.head.headers.size).toBe(0)
})

test('bytes behind the head stay as they are', async () => {
  const rest = Buffer.from([0, 255, 13, 10, 13, 10, 128])
  const { result } = await feed([Buffer.concat([Buffer.from('HTTP/1.1 101 X\r\n\r\n'), rest])])
  expect(result.rest.equals(rest)).toBe(true)
})

test('the stream is paused afterwards, so that whoever comes next gets everything', async () => {
  const { stream } = await feed(['HTTP/1.1 101 X\r\n\r\n', 'later'])
  expect(String(stream.read())).toBe('later')
})

test('any other answer is final, and header names are in lower case', async () => {
  const { result } = await feed(['HTTP/1.1 503 Busy\r\nRetry-After:  5 \r\nX-A: b:c\r\n\r\n'])
  expect(result.head.status).toBe(503)
  expect([...result.head.headers]).toEqual([
    ['retry-after', '5'],
    ['x-a', 'b:c'],
  ])
})

test('a body is as long as it says', async () => {
  const { result, stream } = await feed(['HTTP/1.1 404 No\r\nContent-Length: 6\r\n\r\nä', 'bcde'])
  expect(await readBody(stream, result)).toBe('äbcde'.slice(0, 5))
})

test('a body without a length, or shorter than it says, goes to the end', async () => {
  for (const header of ['', 'Content-Length: 100\r\n']) {
    const { result, stream } = await feed([`HTTP/1.1 404 No\r\n${header}\r\nab`, 'cd'])
    stream.end('ef')
    expect(await readBody(stream, result)).toBe('abcdef')
  }
})

test.each(['HTTP/1.1 200', '', 'HTTP/1.1 102 X\r\n\r\n'])(
  'a stream that ends after %j is an error',
  async (text) => {
    await expect(feed([text], true)).rejects.toThrow('the connection ended before the answer')
  },
)

test.each(['SSH-2.0-OpenSSH\r\n\r\n', 'HTTP/1.1 abc\r\n\r\n', 'HTTP/1.1 2000 X\r\n\r\n', '\r\n\r\n'])(
  '%j is no HTTP',
  async (text) => {
    await expect(feed([text])).rejects.toThrow('the answer is not HTTP')
  },
)

test('a head without an end is given up', async () => {
  await expect(feed(Array.from({ length: 10 }, () => 'x'.repeat(10_000)))).rejects.toThrow(
    'the answer has no end',
  )
})
