import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeIpp,
  encodeIpp,
  IPP_GROUP,
  IPP_TAG,
  type IppMessage,
  ippNumberOf,
  ippText,
  ippTextOf,
} from './ipp.ts'

const MESSAGE: IppMessage = {
  version: 0x0200,
  code: 0x000b,
  id: 7,
  groups: [
    {
      tag: IPP_GROUP.operation,
      attributes: [
        ippText(IPP_TAG.charset, 'attributes-charset', 'utf-8'),
        ippText(IPP_TAG.keyword, 'requested-attributes', 'printer-name', 'printer-info'),
      ],
    },
    {
      tag: IPP_GROUP.job,
      attributes: [{ name: 'copies', values: [{ tag: IPP_TAG.integer, bytes: Buffer.of(0, 0, 0, 2) }] }],
    },
  ],
}

test('a message is the same after it was written and read', () => {
  const bytes = encodeIpp(MESSAGE)
  expect(decodeIpp(bytes)).toEqual({ message: MESSAGE, length: bytes.length })
})

test('it is as RFC 8010 writes it', () => {
  const { groups: _, ...head } = MESSAGE
  const charset = ippText(IPP_TAG.charset, 'attributes-charset', 'utf-8')
  const bytes = encodeIpp({ ...head, groups: [{ tag: IPP_GROUP.operation, attributes: [charset] }] })
  expect(bytes.toString('latin1')).toBe(
    '\x02\x00\x00\x0b\x00\x00\x00\x07\x01\x47\x00\x12attributes-charset\x00\x05utf-8\x03',
  )
})

test('what follows it is left alone, and half of it is not enough', () => {
  const bytes = encodeIpp(MESSAGE)
  expect(decodeIpp(Buffer.concat([bytes, Buffer.from('%!PS')]))?.length).toBe(bytes.length)
  for (let length = 0; length < bytes.length; length++)
    expect(decodeIpp(bytes.subarray(0, length))).toBeUndefined()
})

test('values are found by their names', () => {
  expect(ippTextOf(MESSAGE.groups[0], 'requested-attributes')).toBe('printer-name')
  expect(ippNumberOf(MESSAGE.groups[1], 'copies')).toBe(2)
  expect(ippNumberOf(MESSAGE.groups[0], 'copies')).toBeUndefined()
})

describe('what is no message', () => {
  const head = '\x02\x00\x00\x0b\x00\x00\x00\x07'
  test.each([
    ['an attribute without a group', `${head}\x47\x00\x01a\x00\x00\x03`],
    ['a value without an attribute', `${head}\x01\x47\x00\x00\x00\x00\x03`],
  ])('%s is refused', (_, bytes) => {
    expect(() => decodeIpp(Buffer.from(bytes, 'latin1'))).toThrow(RangeError)
  })

  test('nothing that is sent does more than be refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeIpp(Buffer.from(bytes))
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError)
        }
      }),
    )
  })
})
