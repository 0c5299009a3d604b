import { describe, expect, test } from 'vitest'
import { Fault, FAULT_CODES, faultFromBody, lastSentence } from './fault.ts'

/** A detail for every name that any sentence or advice mentions. */
const DETAIL = Object.fromEntries(
  FAULT_CODES.flatMap((code) => {
    const { message, advice } = new Fault(code)
    return [...`${message} ${advice}`.matchAll(/\{(\w+)\}/g)].map((match) => [
      match[1] ?? '',
      `<${match[1]}>`,
    ])
  }),
)

/** Ends of a session that its user brought about: no failure of the client that tells of them. */
const ASKED_FOR: ReadonlySet<string> = new Set(['desktop.sessionOver', 'desktop.left'])

describe.each(FAULT_CODES)('%s', (code) => {
  test('fills its sentence and its advice from the detail', () => {
    const { message, advice } = new Fault(code, DETAIL)
    expect(message).not.toMatch(/[{}]|undefined/)
    expect(advice).not.toMatch(/[{}]|undefined/)
    expect(message.length * advice.length).toBeGreaterThan(0)
  })

  test('survives the way over a wire', () => {
    const fault = new Fault(code, { ...DETAIL, port: 8443 })
    const arrived = faultFromBody(JSON.parse(JSON.stringify(fault)))
    expect(arrived).toBeInstanceOf(Fault)
    expect(arrived?.toJSON()).toEqual(fault.toJSON())
  })

  test('has a status of an error and an exit code of sysexits, or 0 for an end that was asked for', () => {
    const { status, exitCode } = new Fault(code)
    expect(status >= 400 && status < 600).toBe(true)
    if (ASKED_FOR.has(code)) expect(exitCode).toBe(0)
    else expect(exitCode >= 64 && exitCode <= 78).toBe(true)
  })
})

test.each([
  undefined,
  null,
  'desktop.unknown',
  42,
  [],
  {},
  { fault: 'no.such' },
  { fault: 'toString' },
  { fault: '__proto__' },
  { fault: 7 },
  { message: 'desktop.unknown' },
])('%j is no fault of this version', (body) => {
  expect(faultFromBody(body)).toBeUndefined()
})

test.each([null, 'x', { reason: { deep: 1 } }, { reason: null }, { reason: true }])(
  'a detail of %j is left out',
  (detail) => {
    expect(faultFromBody({ fault: 'session.failed', detail })?.detail).toEqual({})
  },
)

test('a name without a value stays visible in the sentence', () => {
  expect(new Fault('object.unknown', { kind: 'user' }).message).toBe('there is no user {name}')
})

test('a value is filled in as it is', () => {
  expect(new Fault('session.failed', { reason: "$& {reason} $'" }).message).toBe(
    "the X session did not come up: $& {reason} $'",
  )
})

test('the cause is kept and does not cross the wire', () => {
  const cause = new Error('the password is hush')
  const fault = new Fault('database.unavailable', { reason: 'no answer' }, { cause })
  expect(fault.cause).toBe(cause)
  expect(JSON.stringify(fault)).not.toContain('hush')
})

test('the last sentence of a program says what, what to try, and the code', () => {
  expect(lastSentence(new Fault('desktop.blocked'))).toEqual({
    sentence: 'The requested virtual machine is offline for maintenance. Try again later. [desktop.blocked]',
    exitCode: 69,
  })
})

test('the last sentence about anything else says that nobody expected it', () => {
  expect(lastSentence(new Error('oops')).sentence).toMatch(/^unexpected failure: Error: oops/)
  expect(lastSentence('oops')).toEqual({ sentence: 'unexpected failure: oops', exitCode: 70 })
})
