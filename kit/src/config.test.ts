import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import {
  ConfigError,
  flag,
  integer,
  loadConfig,
  oneOf,
  optional,
  type OptionTable,
  path,
  program,
  secret,
  text,
} from './config.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-config-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
function file(content: string): string {
  const name = join(folder, `${++files}.conf`)
  writeFileSync(name, content)
  return name
}

/** Loads one file with that content. */
function load<T extends OptionTable>(table: T, content: string, overrides: Record<string, string> = {}) {
  return loadConfig(table, [{ path: file(content), required: true }], overrides)
}

function problemsOf(load: () => unknown): readonly string[] {
  try {
    load()
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('where a value comes from', () => {
  const table = { color: text('a color', 'red'), size: integer('a size', 3, 1, 9) }

  test('a default stands until a file says otherwise', () => {
    const config = load(table, 'size = 5')
    expect(config.values).toEqual({ color: 'red', size: 5 })
    expect(config.origin('color')).toBe('default')
  })

  test('a later file wins, an override wins over all, and each tells its origin', () => {
    const [first, second] = [file('color = blue\nsize = 4'), file('\nsize = 5')]
    const both = [first, second].map((path) => ({ path, required: true }))
    const config = loadConfig(table, both, { color: 'black' })
    expect(config.values).toEqual({ color: 'black', size: 5 })
    expect([config.origin('color'), config.origin('size')]).toEqual(['override', `${second}:2`])
  })

  test('a missing file is skipped when it is optional and a problem when it is not', () => {
    const missing = join(folder, 'missing.conf')
    expect(loadConfig(table, [{ path: missing, required: false }]).values.size).toBe(3)
    expect(problemsOf(() => loadConfig(table, [{ path: missing, required: true }]))).toEqual([
      expect.stringContaining(`${missing}: cannot be read`),
    ])
  })

  test('a file that is there and cannot be read is a problem even when it is optional', () => {
    expect(problemsOf(() => loadConfig(table, [{ path: folder, required: false }]))).toHaveLength(1)
  })

  test('the values cannot be changed afterwards', () => {
    expect(Object.isFrozen(load(table, '').values)).toBe(true)
  })
})

describe('the text of a value', () => {
  const table = {
    root: path('', '/srv'),
    home: path('', '${root}/home'),
    on: flag('', true),
    limit: optional(integer('', 3, 1, 9)),
    literal: text('', ''),
  }

  test('is what was said, with every key resolved', () => {
    const config = load(table, 'root = /data\nliteral = $${root}', { on: '' })
    const texts = (['root', 'home', 'on', 'limit', 'literal'] as const).map((key) => config.text(key))
    expect(texts).toEqual(['/data', '/data/home', '', '', '${root}'])
  })

  test('of a key that is not set is its default', () => {
    const config = load(table, '')
    expect([config.text('home'), config.text('on'), config.text('limit')]).toEqual(['/srv/home', '1', ''])
  })
})

test('all problems of all files come at once, each with its file and line', () => {
  const table = { name: text('the name'), size: integer('a size', 3, 1, 9), home: path('a folder', '/') }
  const [first, second] = [file('size = big\nrubbish'), file('\n\nhome = here')]
  const both = [first, second].map((path) => ({ path, required: true }))
  expect(problemsOf(() => loadConfig(table, both)).toSorted()).toEqual(
    [
      '"name" must be set (the name)',
      `${first}:1: size is not a whole number from 1 to 9`,
      `${first}:2: expected "key = value"`,
      `${second}:3: home is not an absolute path`,
    ].toSorted(),
  )
})

test('one problem reads as one sentence, more are counted', () => {
  expect(new ConfigError(['x']).message).toBe('configuration: x')
  expect(new ConfigError(['x', 'y']).message).toBe('configuration: 2 problems: x; y')
})

describe('interpolation', () => {
  const table = { a: text('', '${b}/a'), b: text('', '/b'), c: text('', '') }

  test('a key stands for its value, across files and defaults', () => {
    expect(load(table, 'b = ${c}/new\nc = /c').values.a).toBe('/c/new/a')
  })

  test('keys that nobody knows can be used too', () => {
    expect(load(table, 'root = /srv\nb = ${root}').values.a).toBe('/srv/a')
  })

  test('two dollars before a brace are a dollar and a brace', () => {
    expect(load(table, 'a = $${b} $5 $').values.a).toBe('${b} $5 $')
  })

  test('a cycle is a problem that names its way', () => {
    const problems = problemsOf(() => load(table, 'a = ${b}\nb = ${c}\nc = ${a}'))
    expect(problems).toHaveLength(3)
    expect(problems[0]).toMatch(/refers to itself: a -> b -> c -> a$/)
  })

  test('the same key twice in one value is no cycle', () => {
    expect(load(table, 'a = ${b}${b}').values.a).toBe('/b/b')
  })

  test('a key that is not set is a problem', () => {
    expect(problemsOf(() => load(table, 'a = ${nothing}'))[0]).toMatch(/:1: a \$\{nothing\} is not set$/)
  })
})

test('a # or ; inside a value belongs to the value', () => {
  expect(load({ a: text('', '') }, 'a = x#1;2 # no comment').values.a).toBe('x#1;2 # no comment')
})

describe('a key that nobody knows', () => {
  const table = { 'path.run': path('', '/run'), 'path.log': path('', '/log') }

  test('is a warning with the nearest key, not a problem', () => {
    const { warnings } = load(table, 'path.rum = /x')
    expect(warnings).toEqual([
      expect.stringMatching(/:1: unknown key "path\.rum", did you mean "path\.run"\?$/),
    ])
  })

  test('gets no suggestion when none is near', () => {
    expect(load(table, 'something.else = 1').warnings).toEqual([
      expect.stringMatching(/:1: unknown key "something\.else"$/),
    ])
  })
})

describe('kinds of options', () => {
  const table = {
    size: integer('', 3, -5, 9),
    on: flag('', true),
    word: oneOf('', ['red', 'blue'], 'red'),
    home: path('', '/'),
    tool: program('', 'true'),
    limit: optional(integer('', 3, 1, 9)),
  }

  test.each([
    ['size = -5', 'size', -5],
    ['on = 1', 'on', true],
    ['on = 0', 'on', false],
    ['on =', 'on', false],
    ['word = blue', 'word', 'blue'],
    ['home = /a b', 'home', '/a b'],
    ['tool = /usr/bin/g++', 'tool', '/usr/bin/g++'],
    ['tool = /opt/a b/c', 'tool', '/opt/a b/c'],
    ['tool = x-terminal.emulator_2+', 'tool', 'x-terminal.emulator_2+'],
    ['limit = 9', 'limit', 9],
    ['limit =', 'limit', undefined],
    ['', 'limit', undefined],
  ] as const)('%s is accepted', (line, key, value) => {
    expect(load(table, line).values[key]).toBe(value)
  })

  test.each([
    'size = 10',
    'size = -6',
    'size = 1.5',
    'size = 1e0',
    'size =',
    'on = yes',
    'word = Red',
    'home = ~',
    'tool =',
    'tool = bin/true',
    'tool = ./true',
    'tool = true -x',
    'tool = true;id',
    'tool = ~/true',
    'tool = /bin/tr\\u0000ue',
    'limit = 0',
    'limit = 10',
    'limit = none',
  ])('%s is refused', (line) => {
    expect(problemsOf(() => load(table, line))).toHaveLength(1)
  })

  test('a secret is read and never printed', () => {
    const { values } = load({ password: secret('') }, 'password = hush')
    expect(values.password.reveal()).toBe('hush')
    expect(inspect(values) + JSON.stringify(values) + String(values.password)).not.toContain('hush')
  })
})

describe('keys that are collected', () => {
  const table = { 'path.log': path('', '/log') }
  const collected = (content: string) =>
    loadConfig(table, [{ path: file(content), required: true }], {}, { collect: ['other.'] })

  test('come back resolved with their place, and nobody warns', () => {
    const config = collected('other.a = ${path.log}/x\n\nother.b = 1\nother.b = 2')
    expect(config.warnings).toEqual([])
    expect(config.collected.map(({ key, value, line }) => [key, value, line])).toEqual([
      ['other.a', '/log/x', 1],
      ['other.b', '2', 4],
    ])
  })

  test('are a warning when they cannot be resolved: nobody here knows what they are for', () => {
    const config = collected('other.a = ${nothing}')
    expect(config.collected).toEqual([])
    expect(config.warnings).toEqual([expect.stringMatching(/:1: other\.a \$\{nothing\} is not set$/)])
  })

  test('are only those: others that nobody knows are warned of', () => {
    expect(collected('another.a = 1').warnings).toHaveLength(1)
  })
})
