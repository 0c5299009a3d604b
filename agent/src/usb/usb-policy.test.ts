import { Fault } from '@ostler/contract/fault.ts'
import { POLICY_PARAMETERS } from '@ostler/contract/session-policy.ts'
import { expect, test } from 'vitest'
import { requireAllowed } from './usb-policy.ts'
import { parseUsbRule } from './usb-rule.ts'

const KEYBOARD = { vendor: 0x046d, product: 0xc31c }

test.each(['all', '046d:c31c', '046D:C31C', '0781:5567, 046d:*'])('%s lets the keyboard in', (rule) => {
  expect(() => requireAllowed([], parseUsbRule(rule), KEYBOARD)).not.toThrow()
  expect(() => requireAllowed([[POLICY_PARAMETERS.usb, '1']], parseUsbRule(rule), KEYBOARD)).not.toThrow()
})

test.each(['off', '046d:c31d', '0781:*'])('%s does not', (rule) => {
  expect(() => requireAllowed([], parseUsbRule(rule), KEYBOARD)).toThrow(Fault)
})

test('what the door forbids no desktop allows', () => {
  expect(() => requireAllowed([[POLICY_PARAMETERS.usb, '0']], 'all', KEYBOARD)).toThrow(Fault)
})

test.each(['', 'on', '46d:c31c', '046d', '046d:c31c,', '*:*'])('%j is no rule', (text) => {
  expect(() => parseUsbRule(text)).toThrow(/must be off, all/)
})
