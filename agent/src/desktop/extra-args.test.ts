import { Fault } from '@ostler/contract/fault.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseExtraArgs } from './extra-args.ts'

/** What a client may choose: pixels and how they travel, and nothing else. */
const HARMLESS = [
  'autodpi',
  'backingstore',
  'cache',
  'composite',
  'data',
  'defer',
  'delta',
  'images',
  'limit',
  'load',
  'magicpixel',
  'memory',
  'menu',
  'pack',
  'render',
  'resize',
  'shmem',
  'shpix',
  'stream',
  'streaming',
  'tile',
  'type',
  'xinerama',
]

function problemOf(text: string): string {
  try {
    parseExtraArgs(text)
  } catch (error) {
    if (error instanceof Fault && error.code === 'session.parameter') {
      expect(error.detail['parameter']).toBe('qvd.client.nxagent.extra_args')
      return String(error.detail['problem'])
    }
    throw error
  }
  throw new Error('it was accepted')
}

test('options come in their order, blanks around them do not count', () => {
  expect([...parseExtraArgs('cache=16M, pack=16m-jpeg-9 ,shmem=1')]).toEqual([
    ['cache', '16M'],
    ['pack', '16m-jpeg-9'],
    ['shmem', '1'],
  ])
})

test.each(['', ' ', ',', ' ,, '])('"%s" is no option', (text) => {
  expect(parseExtraArgs(text).size).toBe(0)
})

test.each(HARMLESS)('%s may be chosen', (key) => {
  expect(parseExtraArgs(`${key}=1`).get(key)).toBe('1')
})

test.each([
  'listen',
  'accept',
  'connect',
  'port',
  'options',
  'cookie',
  'root',
  'session',
  'id',
  'slave',
  'media',
  'cups',
  'smb',
  'http',
  'aux',
  'font',
  'file',
  'log',
  'errors',
  'stats',
  'geometry',
  'fullscreen',
  'keyboard',
  'client',
  'link',
  'tolerancechecks',
  'sleep',
  'kill',
  'strict',
  'state',
  'clients',
  'keybconf',
  'product',
  'encryption',
])('%s is ours', (key) => {
  expect(problemOf(`cache=1,${key}=1`)).toBe(`a client may not set "${key}"`)
})

test.each([
  'cache',
  'cache=',
  '=1',
  'Cache=1',
  'cache:1',
  'cache=a b',
  'cache=/etc/passwd',
  'cache=1=2',
  'cache=1\nlisten=2',
  'cäche=1',
])('"%s" is no option of that form', (word) => {
  expect(problemOf(word)).toMatch(/is no option of the form key=value$/)
})

test('a key that is given twice is refused: which one counts would be up to nxagent', () => {
  expect(problemOf('cache=1,pack=2,cache=1')).toBe('"cache" is given twice')
})

test('a long word is told in short', () => {
  expect(problemOf('x'.repeat(500))).toBe(`"${'x'.repeat(40)}…" is no option of the form key=value`)
})

test('whatever the text, no key beyond the list and no value that could begin another option gets through', () => {
  const key = fc.oneof(
    fc.constantFrom(
      ...HARMLESS,
      'listen',
      'options',
      'accept',
      '__proto__',
      'constructor',
      ' cache',
      'cache ',
    ),
    fc.string({ maxLength: 12 }),
  )
  const value = fc.oneof(
    fc.constantFrom('1', '16M', 'a:b', '/etc/passwd', '1,listen=4000', '1 listen=4000', '1\n', '"'),
    fc.string({ unit: 'binary', maxLength: 80 }),
  )
  const word = fc.tuple(key, fc.constantFrom('=', '', ':', '=='), value).map((parts) => parts.join(''))
  const words = fc.array(word, { maxLength: 6 }).map((all) => all.join(','))
  fc.assert(
    fc.property(fc.oneof(words, fc.string({ unit: 'binary' })), (text) => {
      let args: ReadonlyMap<string, string>
      try {
        args = parseExtraArgs(text)
      } catch (error) {
        expect(error).toBeInstanceOf(Fault)
        return
      }
      for (const [key, value] of args) {
        expect(HARMLESS).toContain(key)
        expect(value).toMatch(/^[\w.+-]{1,64}$/)
      }
    }),
    { numRuns: 2_000 },
  )
})
