import { Fault } from '@ostler/contract/fault.ts'
import { expect, test } from 'vitest'
import { readSessionPolicy } from './session-policy.ts'

test('a door that says nothing allows everything', () => {
  const everything = { clipboard: 'both', folders: 'rw', ports: true, printing: true, audio: true }
  expect(readSessionPolicy(new Map())).toEqual(everything)
  expect(readSessionPolicy(new Map([['qvd.ostler.policy.clipboard', '']]))).toEqual(everything)
})

test('what the door says counts', () => {
  const said = new Map([
    ['qvd.ostler.policy.clipboard', 'in'],
    ['qvd.ostler.policy.folders', 'off'],
    ['qvd.ostler.policy.ports', '0'],
    ['qvd.ostler.policy.printing', '0'],
    ['qvd.ostler.policy.audio', '0'],
  ])
  expect(readSessionPolicy(said)).toEqual({
    clipboard: 'in',
    folders: 'off',
    ports: false,
    printing: false,
    audio: false,
  })
})

test.each([
  ['qvd.ostler.policy.clipboard', 'sideways'],
  ['qvd.ostler.policy.folders', 'RO'],
  ['qvd.ostler.policy.printing', 'no'],
  ['qvd.ostler.policy.audio', '2'],
])('%s=%s is refused', (key, value) => {
  expect(() => readSessionPolicy(new Map([[key, value]]))).toThrow(Fault)
  expect(() => readSessionPolicy(new Map([[key, value]]))).toThrow(key)
})
