import { Fault } from '@ostler/contract/fault.ts'
import { expect, test } from 'vitest'
import { checkAccess } from './policy.ts'

function codeOf(userId: number, desktop: Parameters<typeof checkAccess>[1]): string {
  try {
    checkAccess(userId, desktop)
    return 'allowed'
  } catch (error) {
    return error instanceof Fault ? error.code : 'no fault'
  }
}

test('a user may use her own desktop', () => {
  expect(codeOf(7, { ownerId: 7, blocked: false })).toBe('allowed')
})

test('nobody may use a desktop that does not exist', () => {
  expect(codeOf(7, undefined)).toBe('desktop.unknown')
})

test('a user may not use the desktop of another one', () => {
  expect(codeOf(7, { ownerId: 8, blocked: false })).toBe('desktop.foreign')
})

test('a blocked desktop is closed to its owner', () => {
  expect(codeOf(7, { ownerId: 7, blocked: true })).toBe('desktop.blocked')
})

test('a stranger does not learn that a desktop is blocked', () => {
  expect(codeOf(7, { ownerId: 8, blocked: true })).toBe('desktop.foreign')
})
