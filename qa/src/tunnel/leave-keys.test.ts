import { expect, test } from 'vitest'
import { LeaveKeys } from './leave-keys.ts'

/** Types texts one after the other; what comes through, and whether she left. */
function type(...texts: string[]): { typed: string; left: boolean } {
  const keys = new LeaveKeys()
  let typed = ''
  for (const text of texts) {
    const { bytes, leave } = keys.read(Buffer.from(text))
    typed += bytes.toString()
    if (leave) return { typed, left: true }
  }
  return { typed, left: false }
}

test.each([
  ['at once', ['~.'], '', true],
  ['after a line', ['ls\r~.'], 'ls\r', true],
  ['after a line feed', ['ls\n~.'], 'ls\n', true],
  ['key by key', ['ls\r', '~', '.', 'x'], 'ls\r', true],
  ['inside a line it is text', ['a~.'], 'a~.', false],
  ['a tilde twice is one, and the line goes on', ['~~.'], '~.', false],
  ['another key after the tilde types both', ['~/bin\r'], '~/bin\r', false],
  ['a line end after the tilde begins a line', ['~\r~.'], '~\r', true],
  ['what follows is not typed', ['~.rm -rf'], '', true],
  ['bytes of other letters are no keys of ours', ['ß~.é'], 'ß~.é', false],
])('leaving %s', (_, texts, typed, left) => {
  expect(type(...texts)).toEqual({ typed, left })
})
