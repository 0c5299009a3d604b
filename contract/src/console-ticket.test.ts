import { createPrivateKey, randomBytes, sign } from 'node:crypto'
import { issueIdentity, makeAuthority } from '@ostler/kit/certificate.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkConsoleTicket, type ConsoleTicket, signConsoleTicket, UsedNonces } from './console-ticket.ts'

const NOW = Date.parse('2026-03-01T12:00:00Z')
const MINUTE = 60_000
const authority = await makeAuthority('Ostler', 3650)
const expected = { authorityPem: authority.certificate, desktop: 7, epoch: 3, now: NOW }

function ticket(changes: Partial<ConsoleTicket> = {}): ConsoleTicket {
  return {
    desktop: 7,
    epoch: 3,
    by: 'ann',
    user: 'root',
    nonce: randomBytes(18).toString('base64url'),
    issued: new Date(NOW).toISOString(),
    expires: new Date(NOW + MINUTE).toISOString(),
    ...changes,
  }
}

function refusal(text: string, changes: Partial<typeof expected> = {}, used = new UsedNonces()): unknown {
  try {
    return checkConsoleTicket(text, { ...expected, ...changes }, used)
  } catch (error) {
    expect(error).toMatchObject({ code: 'console.refused' })
    return (error as { detail: { reason: string } }).detail.reason
  }
}

test('what the authority signed is accepted, and says what was signed', () => {
  const payload = ticket({ user: 'ann.smith', by: 'Ann Smith (Wien)' })
  const text = signConsoleTicket(payload, authority.key)
  expect(text).toMatch(/^[\w-]+\.[\w-]{86}$/)
  expect(checkConsoleTicket(text, expected, new UsedNonces())).toEqual(payload)
})

test('it is good for one console', () => {
  const used = new UsedNonces()
  const text = signConsoleTicket(ticket(), authority.key)
  checkConsoleTicket(text, expected, used)
  expect(refusal(text, {}, used)).toBe('it was used before')
})

test('a refusal tells who was refused when the authority did sign', () => {
  const text = signConsoleTicket(ticket({ by: 'bea', user: 'ann' }), authority.key)
  expect(() => checkConsoleTicket(text, { ...expected, desktop: 8 }, new UsedNonces())).toThrow(
    expect.objectContaining({
      code: 'console.refused',
      detail: { reason: 'it is for another desktop', by: 'bea', user: 'ann' },
    }) as Error,
  )
})

test('a ticket that was refused is not used up', () => {
  const used = new UsedNonces()
  const text = signConsoleTicket(ticket(), authority.key)
  expect(refusal(text, { epoch: 4 }, used)).toBe('it is for another boot of this desktop')
  expect(refusal(text, {}, used)).toMatchObject({ by: 'ann' })
})

test('another authority of the same name signs in vain', async () => {
  const other = await makeAuthority('Ostler', 3650)
  const text = signConsoleTicket(ticket(), other.key)
  expect(refusal(text)).toMatch(/signature/)
})

test('a holder of a certificate signs in vain', async () => {
  const l7r = await issueIdentity(authority, { commonName: 'l7r', uri: 'ostler://l7r', days: 1 })
  expect(refusal(signConsoleTicket(ticket(), l7r.key))).toMatch(/signature/)
})

test('a signature of the authority over anything else is none for a ticket', () => {
  const body = Buffer.from(JSON.stringify(ticket())).toString('base64url')
  const key = createPrivateKey(authority.key)
  const bare = sign('sha256', Buffer.from(body), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
  expect(refusal(`${body}.${bare}`)).toMatch(/signature/)
})

test('no bit of the text can be changed', () => {
  const text = signConsoleTicket(ticket(), authority.key)
  const [body = ''] = text.split('.')
  fc.assert(
    fc.property(fc.nat(body.length - 1), fc.constantFrom('A', 'b', '0', '9', '_', '-'), (at, letter) => {
      fc.pre(text[at] !== letter)
      expect(refusal(text.slice(0, at) + letter + text.slice(at + 1))).toMatch(/signature/)
    }),
    { numRuns: 50 },
  )
})

test('whatever is brought is refused, not crashed on', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (text) => {
      expect(refusal(text)).toBe('it is no ticket')
    }),
  )
})

test.each(['', '.', 'a.b', `${'a'.repeat(3000)}.${'b'.repeat(86)}`, `${'a'.repeat(50)}.${'b'.repeat(87)}`])(
  'a text that cannot be a ticket is not even checked (%#)',
  (text) => {
    expect(refusal(text)).toBe('it is no ticket')
  },
)

test.each([
  ['just before it expires', MINUTE - 1, undefined],
  ['four minutes after, for nodes whose clocks differ', 5 * MINUTE, undefined],
  ['six minutes after', 6 * MINUTE + 1, 'it has expired'],
  ['a day before it was signed, when the guest slept', -1440 * MINUTE, undefined],
])('presented %s', (_, after, reason) => {
  const result = refusal(signConsoleTicket(ticket(), authority.key), { now: NOW + after })
  if (reason === undefined) expect(result).toMatchObject({ by: 'ann' })
  else expect(result).toBe(reason)
})

test.each([MINUTE + 1, 86_400_000, -1])('a life of %d ms is refused', (life) => {
  const text = signConsoleTicket(ticket({ expires: new Date(NOW + life).toISOString() }), authority.key)
  expect(refusal(text)).toBe('it lives too long')
})

test.each([
  { user: '-c' },
  { user: '../root' },
  { user: '' },
  { user: 'a b' },
  { by: '' },
  { by: 'ann\nroot' },
  { nonce: 'short' },
  { desktop: 0 },
  { expires: 'tomorrow' },
] satisfies Partial<ConsoleTicket>[])('%j is not signed', (changes) => {
  expect(() => signConsoleTicket(ticket(changes), authority.key)).toThrow()
})

test('nonces are forgotten when their tickets are too old to be used again', () => {
  const used = new UsedNonces()
  for (let minute = 0; minute < 100; minute++) {
    const now = NOW + minute * MINUTE
    const [issued, expires] = [new Date(now).toISOString(), new Date(now + MINUTE).toISOString()]
    const text = signConsoleTicket(ticket({ issued, expires }), authority.key)
    checkConsoleTicket(text, { ...expected, now }, used)
    expect(used.size).toBeLessThanOrEqual(7)
    expect(refusal(text, { now: now + 10 * MINUTE })).toBe('it has expired')
  }
})
