import fc from 'fast-check'
import { expect, test } from 'vitest'
import { takeAnswer } from './answers.ts'
import { DirectoryTrouble } from './trouble.ts'

function element(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  const length = content.length < 128 ? [content.length] : [0x82, content.length >> 8, content.length & 255]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}
const octets = (text: string | Buffer): Buffer => element(0x04, Buffer.from(text as string))
const integer = (value: number): Buffer => element(0x02, Buffer.from([value]))
const message = (...parts: readonly Buffer[]): Buffer => element(0x30, integer(7), ...parts)
const result = (tag: number, code: number, text: string): Buffer =>
  element(tag, element(0x0a, Buffer.from([code])), octets(''), octets(text))

const ENTRY = message(
  element(
    0x64,
    octets('uid=ünï,dc=org'),
    element(
      0x30,
      element(0x30, octets('UID'), element(0x31, octets('ünï'), octets(Buffer.from([0xff])))),
      element(0x30, octets('mail'), element(0x31)),
    ),
  ),
)

test('an entry has its name and its values, as bytes', () => {
  expect(takeAnswer(Buffer.concat([ENTRY, Buffer.from('rest')]))).toEqual({
    end: ENTRY.length,
    answer: {
      id: 7,
      kind: 'entry',
      entry: {
        dn: 'uid=ünï,dc=org',
        attributes: new Map([
          ['uid', [Buffer.from('ünï'), Buffer.from([0xff])]],
          ['mail', []],
        ]),
      },
    },
  })
})

test('a result has its code, printable words, and where the next page begins', () => {
  const page = element(
    0xa0,
    element(0x30, octets('1.2.3'), octets('x')),
    element(0x30, octets('1.2.840.113556.1.4.319'), octets(element(0x30, integer(0), octets('next')))),
  )
  const bytes = message(result(0x65, 4, 'too\nmany\u202e!'), page)
  expect(takeAnswer(bytes)?.answer).toEqual({
    id: 7,
    kind: 'result',
    operation: 0x65,
    result: { code: 4, text: 'too many !', cookie: Buffer.from('next') },
  })
  const long = message(result(0x61, 49, 'x'.repeat(2_000)))
  expect(takeAnswer(long)).toMatchObject({ answer: { result: { code: 49, text: 'x'.repeat(500) } } })
})

test('every beginning of a message is incomplete, never something else', () => {
  for (let length = 0; length < ENTRY.length; length++)
    expect(takeAnswer(ENTRY.subarray(0, length))).toBeUndefined()
})

test('a name that is no UTF-8 is not mended', () => {
  const bytes = message(element(0x64, octets(Buffer.from([0xff])), element(0x30)))
  expect(() => takeAnswer(bytes)).toThrow(DirectoryTrouble)
})

test('a message that would not fit is refused by its length', () => {
  expect(() => takeAnswer(Buffer.from('30847fffffff', 'hex'))).toThrow('too long')
  expect(() => takeAnswer(Buffer.from('3080', 'hex'))).toThrow('no LDAP')
})

test('whatever comes is an answer, the beginning of one, or trouble', () => {
  const seeds = [ENTRY, message(result(0x61, 0, '')), message(element(0x73, octets('ldap://x')))]
  fc.assert(
    fc.property(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 6 }),
      fc.uint8Array({ maxLength: 40 }),
      (seed, changes, tail) => {
        const bytes = Buffer.concat([seed, tail])
        for (const [at, value] of changes) bytes[at % bytes.length] = value
        try {
          const taken = takeAnswer(bytes)
          if (taken !== undefined) expect(taken.end).toBeGreaterThan(0)
        } catch (error) {
          expect(error).toBeInstanceOf(DirectoryTrouble)
        }
      },
    ),
    { numRuns: 5_000 },
  )
})
