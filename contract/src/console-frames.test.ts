import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type ConsoleFrame,
  encodeFrame,
  FrameParser,
  MAX_CONTENT,
  MAX_SIDE,
  parseSize,
} from './console-frames.ts'

const side = fc.integer({ min: 1, max: MAX_SIDE })
const frame: fc.Arbitrary<ConsoleFrame> = fc.oneof(
  fc.record({ type: fc.constant('data' as const), bytes: fc.uint8Array({ maxLength: 300 }) }),
  fc.record({ type: fc.constant('size' as const), size: fc.record({ columns: side, rows: side }) }),
  fc.record({ type: fc.constant('exit' as const), code: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ type: fc.constant('note' as const), text: fc.string({ unit: 'grapheme', maxLength: 80 }) }),
)

/** Cuts bytes at the given places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return ends.map((end, index) => bytes.slice(ends[index - 1] ?? 0, end))
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}

test('frames come out as they went in, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 12 }),
      fc.array(fc.nat(), { maxLength: 40 }),
      (frames, places) => {
        const parser = new FrameParser()
        const arrived = cut(join(frames.map(encodeFrame)), places).flatMap((chunk) => parser.push(chunk))
        expect(arrived).toEqual(frames)
      },
    ),
  )
})

test('one byte at a time is enough', () => {
  const parser = new FrameParser()
  const bytes = encodeFrame({ type: 'note', text: 'ä€😀' })
  expect([...bytes].flatMap((byte) => parser.push(Uint8Array.of(byte)))).toEqual([
    { type: 'note', text: 'ä€😀' },
  ])
})

test('data longer than a frame becomes several, and none of it is lost', () => {
  const bytes = Uint8Array.from({ length: 2 * MAX_CONTENT + 7 }, (_, index) => index % 251)
  const frames = new FrameParser().push(encodeFrame({ type: 'data', bytes }))
  expect(frames.map((part) => (part.type === 'data' ? part.bytes.length : part.type))).toEqual([
    MAX_CONTENT,
    MAX_CONTENT,
    7,
  ])
  expect(
    Buffer.concat(frames.map((part) => (part.type === 'data' ? part.bytes : [])) as Uint8Array[]),
  ).toEqual(Buffer.from(bytes))
})

test('the bytes on the wire are those that are documented', () => {
  expect([...encodeFrame({ type: 'data', bytes: Uint8Array.of(65, 66) })]).toEqual([0, 0, 0, 0, 2, 65, 66])
  expect([...encodeFrame({ type: 'size', size: { columns: 300, rows: 24 } })]).toEqual([
    1, 0, 0, 0, 4, 1, 44, 0, 24,
  ])
  expect([...encodeFrame({ type: 'exit', code: 137 })]).toEqual([2, 0, 0, 0, 1, 137])
  expect([...encodeFrame({ type: 'note', text: 'é' })]).toEqual([3, 0, 0, 0, 2, 0xc3, 0xa9])
  expect([...encodeFrame({ type: 'data', bytes: new Uint8Array() })]).toEqual([0, 0, 0, 0, 0])
})

test('what a frame holds stays when the chunk is used again', () => {
  const chunk = encodeFrame({ type: 'data', bytes: Uint8Array.of(1, 2, 3) })
  const frames = new FrameParser().push(chunk)
  chunk.fill(0)
  expect(frames).toEqual([{ type: 'data', bytes: Uint8Array.of(1, 2, 3) }])
})

test.each([
  ['an unknown type', [4, 0, 0, 0, 0]],
  ['a size of three bytes', [1, 0, 0, 0, 3, 0, 80, 0]],
  ['a size without columns', [1, 0, 0, 0, 4, 0, 0, 0, 24]],
  ['a size beyond every screen', [1, 0, 0, 0, 4, 0, 80, 0xff, 0xff]],
  ['an exit of no byte', [2, 0, 0, 0, 0]],
  ['data longer than a frame', [0, 0, 1, 0, 1]],
  ['data of four gigabytes', [0, 0xff, 0xff, 0xff, 0xff]],
  ['a note longer than a frame', [3, 0x80, 0, 0, 0]],
])('%s is malformed', (_, bytes) => {
  const parser = new FrameParser()
  expect(() => bytes.flatMap((byte) => parser.push(Uint8Array.of(byte)))).toThrow(
    expect.objectContaining({ code: 'console.malformed' }) as Error,
  )
})

test('whatever comes is frames or a fault, and memory stays bounded', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), (chunks) => {
      const parser = new FrameParser()
      try {
        for (const chunk of chunks) parser.push(chunk)
      } catch (error) {
        expect(error).toMatchObject({ code: 'console.malformed' })
      }
    }),
  )
})

test.each([
  { type: 'size', size: { columns: 0, rows: 24 } },
  { type: 'size', size: { columns: 80, rows: MAX_SIDE + 1 } },
  { type: 'size', size: { columns: 80.5, rows: 24 } },
  { type: 'exit', code: 256 },
  { type: 'exit', code: -1 },
  { type: 'note', text: 'x'.repeat(MAX_CONTENT + 1) },
] as const)('%j cannot be sent', (frame_) => {
  expect(() => encodeFrame(frame_)).toThrow(RangeError)
})

test.each([
  ['80x24', { columns: 80, rows: 24 }],
  ['1000x1000', { columns: 1000, rows: 1000 }],
  ['0x24', undefined],
  ['1001x24', undefined],
  ['80', undefined],
  ['80x24x', undefined],
  ['-1x24', undefined],
  ['', undefined],
])('%s as a size is %j', (text, size) => {
  expect(parseSize(text)).toEqual(size)
})
