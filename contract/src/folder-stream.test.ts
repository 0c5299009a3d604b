import { once } from 'node:events'
import { duplexPair } from 'node:stream'
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { Fault } from './fault.ts'
import { FolderStream } from './folder-stream.ts'

const WISH = { name: 'docs', path: '/home/ann/docs', readOnly: false }
const MADE = { name: 'docs', place: '~/Redirected/docs', readOnly: true }

/** Both ends of one line. */
function ends(): [FolderStream, FolderStream] {
  const [client, agent] = duplexPair()
  return [new FolderStream(client, Buffer.alloc(0)), new FolderStream(agent, Buffer.alloc(0))]
}

test('a wish and its answer come before the data, which arrives as it was', async () => {
  const [client, agent] = ends()
  client.say('open', WISH)
  expect(await agent.asked).toEqual(WISH)
  agent.say('opened', MADE)
  expect(await client.answered).toEqual(MADE)
  const bytes = randomBytes(3_000_000)
  client.end(bytes)
  const got: Buffer[] = []
  for await (const chunk of agent as AsyncIterable<Buffer>) got.push(chunk)
  expect(Buffer.concat(got).equals(bytes)).toBe(true)
  agent.destroy()
})

test('however the bytes are cut, and however early they came', async () => {
  const [raw, far] = duplexPair()
  const sender = new FolderStream(raw, Buffer.alloc(0))
  const sent: Buffer[] = []
  far.on('data', (chunk: Buffer) => sent.push(chunk))
  sender.say('open', WISH)
  sender.end('some data')
  await once(far, 'end')
  const all = Buffer.concat(sent)
  for (let cut = 0; cut <= all.length; cut += 1) {
    const [line, other] = duplexPair()
    const stream = new FolderStream(line, all.subarray(0, cut))
    other.end(all.subarray(cut))
    expect(await stream.asked).toEqual(WISH)
    let text = ''
    for await (const chunk of stream as AsyncIterable<Buffer>) text += chunk.toString()
    expect(text).toBe('some data')
    stream.destroy()
  }
  sender.destroy()
})

test('a fault of the other end is what the stream fails with', async () => {
  const [client, agent] = ends()
  client.on('error', () => {})
  agent.say('fault', new Fault('folder.refused', { reason: 'rules' }))
  await expect(client.answered).rejects.toMatchObject({ code: 'folder.refused', detail: { reason: 'rules' } })
  agent.destroy()
})

test.each([
  ['a kind that is none', [7, 0, 0, 0, 0]],
  ['a message without end', [2, 0xff, 0xff, 0xff, 0xff]],
  ['a message that is no JSON', [2, 0, 0, 0, 1, 0x7b]],
  ['a fault that is none', [4, 0, 0, 0, 2, 0x7b, 0x7d]],
])('%s is the end of the stream', async (_, bytes) => {
  const [line, far] = duplexPair()
  const stream = new FolderStream(line, Buffer.alloc(0))
  const failed = once(stream, 'error')
  far.write(Buffer.from(bytes))
  expect((await failed)[0]).toMatchObject({ code: 'folder.malformed' })
})
