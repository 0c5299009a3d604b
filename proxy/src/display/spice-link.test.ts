import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { readSpiceLink } from './spice-link.ts'

const NOTHING = Buffer.alloc(0)

/** A link message as clients send it: header, session, kind and number of the channel, no capabilities. */
function link(session: number, channel: number): Buffer {
  const bytes = Buffer.alloc(34)
  bytes.write('REDQ')
  bytes.writeUInt32LE(2, 4)
  bytes.writeUInt32LE(18, 12)
  bytes.writeUInt32LE(session, 16)
  bytes.writeUInt8(channel, 20)
  return bytes
}

test('it is read however it comes in pieces, and nothing behind it is lost', async () => {
  const whole = Buffer.concat([link(0xfedcba98, 9), Buffer.from('more')])
  for (let cut = 0; cut <= whole.length; cut++) {
    const client = new PassThrough()
    const read = readSpiceLink(client, whole.subarray(0, cut), new AbortController().signal)
    for (const byte of whole.subarray(cut)) client.write(Buffer.from([byte]))
    client.end()
    const { bytes, ...said } = (await read) ?? { bytes: NOTHING }
    expect(said).toEqual({ session: 0xfedcba98, channel: 9 })
    const rest = (await client.toArray()) as Buffer[]
    expect(Buffer.concat([bytes, ...rest])).toEqual(whole)
  }
})

test.each([
  ['something else', (client: PassThrough) => void client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
  ['an end', (client: PassThrough) => void client.end('REDQ')],
  ['a broken connection', (client: PassThrough) => void client.destroy()],
])('%s is no link', async (_, play) => {
  const client = new PassThrough()
  play(client)
  expect(await readSpiceLink(client, NOTHING, new AbortController().signal)).toBeUndefined()
})

test('nobody waits for a client who has been cut', async () => {
  const abort = new AbortController()
  const read = readSpiceLink(new PassThrough(), NOTHING, abort.signal)
  abort.abort()
  expect(await read).toBeUndefined()
})
