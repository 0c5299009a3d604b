import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { controlFrame, PulseFrames, type PulseFrame, pulseBytes, pulseNumber } from './pulse-frames.ts'
import { pulsePolicy } from './pulse-policy.ts'

const COOKIE = Buffer.alloc(256, 0xab)
const NOBODY = 0xffff_ffff

function frameOf(bytes: Buffer): PulseFrame {
  return new PulseFrames().take(bytes)[0] ?? expect.fail('no frame')
}
const request = (command: number, ...rest: readonly Buffer[]): PulseFrame =>
  frameOf(controlFrame(pulseNumber(command), pulseNumber(7), ...rest))
const AUTH = request(8, pulseNumber(0xc000_0023), pulseBytes(Buffer.alloc(256, 1)))
const text = (value?: string): Buffer => Buffer.from(value === undefined ? 'N' : `t${value}\0`, 'latin1')

function recordStream(index = NOBODY, name?: string, ofStream = NOBODY): PulseFrame {
  const format = Buffer.from('a\x03\x02\x00\x00\xac\x44m\x02\x01\x02', 'latin1')
  const flags = (count: number): Buffer => Buffer.from('0'.repeat(count))
  const properties = Buffer.concat([
    Buffer.from('P'),
    text('media.name'),
    pulseNumber(2),
    pulseBytes(Buffer.from('x\0')),
    text(),
  ])
  const [queue, fragment] = [pulseNumber(0), pulseNumber(0)]
  return request(
    5,
    ...[
      format,
      pulseNumber(index),
      text(name),
      queue,
      flags(1),
      fragment,
      flags(9),
      properties,
      pulseNumber(ofStream),
    ],
  )
}

describe('a desktop', () => {
  test('shows no cookie of its own, and is offered no memory of this machine', () => {
    const verdict = pulsePolicy({ microphone: false, cookie: COOKIE })(AUTH)
    const wanted = controlFrame(pulseNumber(8), pulseNumber(7), pulseNumber(35), pulseBytes(COOKIE))
    expect(verdict).toEqual({ pass: wanted })
    const shared = Buffer.from(AUTH.bytes)
    shared.writeUInt32BE(0x8000_0000, 16)
    expect(() => pulsePolicy({ microphone: true, cookie: COOKIE })(frameOf(shared))).toThrow(RangeError)
  })

  test.each([3, 4, 9, 12, 14, 20, 21, 41, 42, 43, 72, 82])('may ask %i', (command) => {
    const frame = request(command)
    expect(pulsePolicy({ microphone: false, cookie: COOKIE })(frame)).toEqual({ pass: frame.bytes })
  })

  test('gets the answer that access is denied for everything else', () => {
    const allowed = new Set([3, 4, 8, 9, 10, 11, 12, 14, 20, 21, 23, 35, 41, 42, 43, 46, 60, 72, 74, 81, 82])
    const judge = pulsePolicy({ microphone: false, cookie: COOKIE })
    const refusal = { refuse: controlFrame(pulseNumber(0), pulseNumber(7), pulseNumber(1)) }
    for (let command = 0; command < 200; command++)
      if (!allowed.has(command)) expect(judge(request(command)), String(command)).toEqual(refusal)
  })
})

describe('a microphone that the user has given', () => {
  const judge = (): ReturnType<typeof pulsePolicy> => {
    const all = pulsePolicy({ microphone: true, cookie: COOKIE })
    all(AUTH)
    return all
  }

  test('is heard', () => {
    for (const frame of [recordStream(), recordStream(NOBODY, '@DEFAULT_SOURCE@')])
      expect(judge()(frame)).toEqual({ pass: frame.bytes })
  })

  test.each([
    ['by number', recordStream(0)],
    ['by name', recordStream(NOBODY, 'speakers.monitor')],
    ['of one program', recordStream(NOBODY, undefined, 3)],
  ])('opens nothing else: what plays %s', (_, frame) => {
    expect(judge()(frame)).toHaveProperty('refuse')
  })
})

test('frames are found again however they were cut', () => {
  const sound = Buffer.concat([Buffer.from([0, 0, 0, 4, 0, 0, 0, 1]), Buffer.alloc(12), Buffer.from('abcd')])
  const all = [AUTH.bytes, sound, controlFrame(pulseNumber(3))]
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (cuts) => {
      const [frames, found]: [PulseFrames, Buffer[]] = [new PulseFrames(), []]
      const stream = Buffer.concat(all)
      for (let at = 0, turn = 0; at < stream.length; turn++) {
        const length = cuts[turn % cuts.length] ?? 1
        found.push(...frames.take(stream.subarray(at, at + length)).map(({ bytes }) => Buffer.from(bytes)))
        at += length
      }
      expect(found).toEqual(all)
    }),
  )
})
