import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Secret } from '../secret.ts'
import { jsonLines, lineOf } from './line.ts'
import { printable } from './redact.ts'

const format = jsonLines({ process: 'test', pid: 1 })

/** The line that a log with these fields writes. */
function lineWith(fields: Record<string, unknown>, message = 'something happened'): string {
  const info = format.transform({ ...fields, level: 'info', message })
  if (typeof info === 'boolean') throw new Error('the line was dropped')
  return lineOf(info)
}

/** Long enough not to come about by chance; of every character that a password may have. */
const anySecret = fc.string({ unit: 'grapheme', minLength: 12, maxLength: 40 })
/** What stands in headers and options without quotes. */
const wordSecret = fc.stringMatching(/^[\w+/.~=-]{12,40}$/)

const secretKey = fc
  .tuple(
    fc.constantFrom('', 'x-', 'user', 'the '),
    fc.constantFrom(
      'authorization',
      'cookie',
      'password',
      'passwd',
      'secret',
      'token',
      'slave.key',
      'slaveKey',
    ),
    fc.constantFrom('', '2', 'Hash'),
    fc.boolean(),
  )
  .map(([before, word, after, loud]) => before + (loud ? word.toUpperCase() : word) + after)

const secretText = wordSecret.chain((secret) =>
  fc
    .constantFrom(
      `Authentication cookie '${secret}' doesn't match '${secret}'`,
      `Authentication cookie '${secret}`,
      `GET / HTTP/1.1\nAuthorization: Basic ${secret}\nHost: x`,
      `cookie: a=1; session=${secret}; b=2`,
      `nx/nx,link=lan,cookie=${secret},geometry=1x1`,
      `{"password":"${secret}"}`,
      `password='${secret}' rejected`,
      `token=${secret}&x=1`,
      `slave.key = ${secret}`,
      `Bearer ${secret}`,
      `postgres://me:${secret}@db/x`,
    )
    .map((text) => ({ secret, text })),
)

const wrapping = fc.constantFrom<(value: unknown) => unknown>(
  (value) => ({ a: 1, value }),
  (value) => [value, 'x'],
  (value) => new Map([['key', value]]),
  (value) => new Set([value]),
  (value) => ({ toJSON: () => value }),
  (value) => Object.assign(new Error('failed', { cause: new Error('inner') }), { code: value }),
)
const wrapped = fc.array(wrapping, { maxLength: 6 })
const wrap = (value: unknown, by: readonly ((value: unknown) => unknown)[]): unknown =>
  by.reduce((inner, wrapper) => wrapper(inner), value)

/** As it would stand in the line. */
const escaped = (secret: string): string => JSON.stringify(secret).slice(1, -1)

describe('a secret never appears', () => {
  test('when it is a Secret, wherever it is', () => {
    fc.assert(
      fc.property(anySecret, wrapped, (secret, by) => {
        expect(lineWith({ field: wrap(new Secret(secret), by) })).not.toContain(escaped(secret))
      }),
    )
  })

  test('when its field is called like one, whatever is in it', () => {
    fc.assert(
      fc.property(anySecret, secretKey, wrapped, wrapped, (secret, key, inside, outside) => {
        const field = wrap({ [key]: wrap(secret, inside) }, outside)
        expect(lineWith({ field })).not.toContain(escaped(secret))
        expect(lineWith({ [key]: wrap(secret, inside) })).not.toContain(escaped(secret))
        expect(lineWith({ field: new Map([[key, secret]]) })).not.toContain(escaped(secret))
      }),
    )
  })

  test('in a text that somebody else has written, also in errors and in the message itself', () => {
    fc.assert(
      fc.property(secretText, wrapped, ({ secret, text }, by) => {
        expect(lineWith({ field: wrap(text, by) })).not.toContain(secret)
        expect(lineWith({}, text)).not.toContain(secret)
        const error = new Error(text, { cause: new Error(text) })
        expect(lineWith({ field: wrap(error, by) })).not.toContain(secret)
      }),
    )
  })

  test('also when the text is cut in the middle of it', () => {
    const text = `${'x'.repeat(8_150)} https://me:${'hush'.repeat(20)}@host/`
    expect(lineWith({ text })).not.toContain('hush')
  })
})

test('what nxagent says of cookies loses both', () => {
  expect(printable("Info: Authentication cookie 'ab12' doesn't match '34cd'\nnext line")).toBe(
    'Info: Authentication cookie ***\nnext line',
  )
})

test('what is no secret stays as it is', () => {
  const fields = { vm: 7, user: 'ann', took: 1.5, none: null, yes: true, list: ['a', { b: 2 }], at: 'tokyo' }
  expect(printable(fields)).toEqual(fields)
})

describe('anything can be printed', () => {
  test('whatever it is', () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withMap: true, withSet: true, withDate: true }),
        (value) => {
          expect(() => JSON.parse(lineWith({ value })) as unknown).not.toThrow()
        },
      ),
    )
  })

  test('a thing that contains itself, often', () => {
    const knot: Record<string, unknown> = {}
    for (let i = 0; i < 20; i++) knot[`k${i}`] = knot
    expect(lineWith({ knot }).length).toBeLessThan(1_000_000)
  })

  test('getters that throw, and answers that are no JSON', () => {
    const bad = {
      get worse(): string {
        throw new Error('no')
      },
      big: 12n,
      call: () => 1,
      bytes: Buffer.from('password'),
    }
    expect(printable({ bad, big: 12n, bytes: Buffer.from('hush') })).toEqual({
      bad: '[unreadable]',
      big: '12',
      bytes: '[4 bytes]',
    })
  })

  test('a text of any length makes a line of bounded length', () => {
    expect(lineWith({ text: 'a'.repeat(10_000_000), list: Array(100_000).fill('b') }).length).toBeLessThan(
      300_000,
    )
  })

  test('an error as name, message and code; with its stack only when it has no code', () => {
    const known = Object.assign(new Error('no room'), { code: 'ENOSPC' })
    expect(printable(known)).toEqual({ name: 'Error', message: 'no room', code: 'ENOSPC' })
    expect(printable(new TypeError('oops'))).toMatchObject({
      name: 'TypeError',
      stack: expect.stringContaining('oops') as unknown,
    })
  })
})
