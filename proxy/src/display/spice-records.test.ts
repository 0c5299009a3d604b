import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SpiceMessages } from './spice-records.ts'

/** A server's answer to a link, with its common capabilities, and the result. */
function answer(capabilities: number): Buffer[] {
  const reply = Buffer.alloc(16 + 178 + 4)
  reply.write('REDQ')
  reply.writeUInt32LE(178 + 4, 12)
  reply.writeUInt32LE(1, 16 + 166)
  reply.writeUInt32LE(178, 16 + 174)
  reply.writeUInt32LE(capabilities, 16 + 178)
  return [reply, Buffer.alloc(4)]
}

function message(mini: boolean, size: number): Buffer {
  const header = Buffer.alloc(mini ? 6 : 18, 7)
  header.writeUInt32LE(size, mini ? 2 : 10)
  return Buffer.concat([header, Buffer.alloc(size, 9)])
}

describe.each([
  ['mini headers', true],
  ['full headers', false],
] as const)('with %s', (_, mini) => {
  test('no piece has parts of two messages, and every byte is in one', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 8 })
    const cuts = fc.array(fc.integer({ min: 1, max: 80 }), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(sizes, cuts, (lengths, steps) => {
        const whole = [...answer(mini ? 8 : 3), ...lengths.map((size) => message(mini, size))]
        const ends = whole.map((_, index) => Buffer.concat(whole.slice(0, index + 1)).length)
        const bytes = Buffer.concat(whole)
        const messages = new SpiceMessages()
        const pieces: Buffer[] = []
        for (let at = 0, step = 0; at < bytes.length; step++) {
          const length = steps[step % steps.length] ?? 1
          pieces.push(...messages.cut(bytes.subarray(at, at + length)))
          at += length
        }
        expect(Buffer.concat(pieces)).toEqual(bytes)
        let at = 0
        for (const piece of pieces) {
          const before = at
          at += piece.length
          expect(piece.length).toBeGreaterThan(0)
          expect(ends.filter((end) => end > before && end < at)).toEqual([])
        }
      }),
    )
  })
})

test('what is no answer to a link passes as it is', () => {
  const messages = new SpiceMessages()
  const bytes = Buffer.alloc(100, 0xff)
  expect(Buffer.concat([...messages.cut(bytes), ...messages.cut(bytes)])).toEqual(Buffer.alloc(200, 0xff))
})
