import { expect, test } from 'vitest'
import { runBytes } from './gate/every-byte.ts'

/** 10 GB of it: `npm run faults -- bytes 10`. */
test('every byte arrives as it was sent, under load, with readers that stall', async () => {
  const outcome = await runBytes(200_000_000, 20, 20261121)
  console.info(`${outcome.bytes} bytes compared, ${outcome.stalls} stalls, ${outcome.seconds.toFixed(1)} s`)
  expect(outcome.stalls).toBeGreaterThan(0)
}, 600_000)
