import { expect, test } from 'vitest'
import { xAuthority } from './x-authority.ts'

/** Reads an Xauthority file: a family, then four counted fields for each entry. */
function parse(bytes: Buffer) {
  const entries = []
  for (let at = 0; at < bytes.length;) {
    const family = bytes.readUInt16BE(at)
    at += 2
    const [address, display, name, data] = Array.from({ length: 4 }, () => {
      const length = bytes.readUInt16BE(at)
      const field = bytes.subarray(at + 2, at + 2 + length)
      at += 2 + length
      return field
    })
    entries.push({
      family,
      address: String(address),
      display: String(display),
      name: String(name),
      cookie: data?.toString('hex'),
    })
  }
  return entries
}

test('each display has an entry for any address, all with the same cookie of 16 bytes', () => {
  const entries = parse(xAuthority([0, 100]))
  expect(entries.map(({ family, address, display, name }) => ({ family, address, display, name }))).toEqual([
    { family: 0xffff, address: '', display: '0', name: 'MIT-MAGIC-COOKIE-1' },
    { family: 0xffff, address: '', display: '100', name: 'MIT-MAGIC-COOKIE-1' },
  ])
  expect(entries[0]?.cookie).toMatch(/^[0-9a-f]{32}$/)
  expect(entries[1]?.cookie).toBe(entries[0]?.cookie)
})

test('every call makes a new cookie', () => {
  const cookies = Array.from({ length: 20 }, () => parse(xAuthority([1]))[0]?.cookie)
  expect(new Set(cookies).size).toBe(20)
})

test('no displays make an empty file', () => {
  expect(xAuthority([])).toHaveLength(0)
})
