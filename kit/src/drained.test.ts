import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { drained } from './drained.ts'

test('waits until there is room, and leaves no listener behind', async () => {
  const stream = new PassThrough({ highWaterMark: 4 })
  for (let round = 0; round < 20; round++) {
    expect(stream.write('12345678')).toBe(false)
    setImmediate(() => stream.read() as unknown)
    await drained(stream)
  }
  expect([stream.listenerCount('drain'), stream.listenerCount('close')]).toEqual([0, 0])
})

test('does not wait for a stream that closes, or has closed', async () => {
  const stream = new PassThrough({ highWaterMark: 4 })
  stream.write('12345678')
  setImmediate(() => stream.destroy())
  await drained(stream)
  if (!stream.closed) await once(stream, 'close')
  await drained(stream)
})
