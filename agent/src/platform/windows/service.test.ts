import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { expect, test, vi } from 'vitest'
import { stopWithService } from './service.ts'

test('the agent stops when its input ends, and not for what comes by it', async () => {
  const input = new PassThrough()
  const stop = vi.fn()
  stopWithService(input, stop)
  input.write('anything')
  await new Promise(setImmediate)
  expect(stop).not.toHaveBeenCalled()
  input.end()
  await once(input, 'close')
  expect(stop).toHaveBeenCalledOnce()
})

test('an input that breaks is one that ends', async () => {
  const input = new PassThrough()
  const stopped = new Promise<void>((resolve) => stopWithService(input, resolve))
  input.destroy(new Error('broken pipe'))
  await stopped
})
