import { expect, test } from 'vitest'
import { deviceDigest, makePairingCodes, userDigest } from './pairing-codes.ts'

test('a code for people is two times four letters without vowels', () => {
  for (let round = 0; round < 200; round++)
    expect(makePairingCodes().userCode).toMatch(/^[BCDFGHJ-NP-TVWXZ]{4}-[BCDFGHJ-NP-TVWXZ]{4}$/)
})

test('no two codes are the same', () => {
  const codes = Array.from({ length: 500 }, makePairingCodes)
  expect(new Set(codes.map(({ deviceCode }) => deviceCode)).size).toBe(500)
  expect(new Set(codes.map(({ userCode }) => userCode)).size).toBe(500)
  expect(codes[0]?.deviceCode).toHaveLength(43)
})

test('a code may be typed in small letters, with or without dash and spaces', () => {
  const right = userDigest('BCDF-GHJK')
  expect(right).toHaveLength(32)
  for (const typed of ['bcdf-ghjk', 'BCDFGHJK', ' bcdf ghjk ', 'b-c-d-f-g-h-j-k'])
    expect(userDigest(typed)).toEqual(right)
  expect(userDigest('BCDF-GHJL')).not.toEqual(right)
})

test.each(['', 'BCDF', 'BCDF-GHJKL', 'ABCD-FGHJ', 'BCDF-GHJ1', 'BCDF_GHJK', 'BCDF-GHJß'])(
  '%j cannot be a code',
  (typed) => {
    expect(userDigest(typed)).toBeUndefined()
  },
)

test('the digest of one kind is never that of the other', () => {
  expect(deviceDigest('BCDFGHJK')).not.toEqual(userDigest('BCDFGHJK'))
})
