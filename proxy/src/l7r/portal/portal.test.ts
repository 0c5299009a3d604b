import { expect, test } from 'vitest'
import { requireSameHost, requireSameOrigin } from './portal.ts'

const isLet = (require: typeof requireSameHost, origin: string | undefined, host: string): boolean => {
  try {
    require(origin, host)
    return true
  } catch {
    return false
  }
}

test.each([
  ['https://desk.example', 'desk.example', true, true],
  ['https://desk.example:8443', 'desk.example:8443', true, true],
  // The administrators' pages, beside the door.
  ['https://desk.example:9443', 'desk.example:8443', false, true],
  ['https://[fe80::1]:9443', '[fe80::1]:8443', false, true],
  ['https://evil.example', 'desk.example', false, false],
  ['https://desk.example.evil', 'desk.example', false, false],
  ['null', 'desk.example', false, false],
  [undefined, 'desk.example', false, false],
  ['https://desk.example', '', false, false],
  ['https://desk.example', 'desk.example/@evil', false, false],
])('%s at %s is of this origin: %s, of this host: %s', (origin, host, isOrigin, isHost) => {
  expect(isLet(requireSameOrigin, origin, host)).toBe(isOrigin)
  expect(isLet(requireSameHost, origin, host)).toBe(isHost)
})
