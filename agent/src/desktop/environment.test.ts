import fc from 'fast-check'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readEnvironmentFile, sessionEnvironment } from './environment.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-environment-'))
afterAll(() => rmSync(folder, { recursive: true }))

const ANN = { name: 'ann', uid: 4711, gid: 4712, home: '/homes/ann', shell: '/bin/zsh' }

let files = 0
function file(content: string | Uint8Array): string {
  const path = join(folder, String(++files))
  writeFileSync(path, content)
  return path
}
const read = (content: string): Record<string, string> => readEnvironmentFile(file(content))

describe('a file of the system', () => {
  test.each([
    ['LANG=de_DE.UTF-8', 'de_DE.UTF-8'],
    ['LANG="de_DE.UTF-8"', 'de_DE.UTF-8'],
    ["LANG='de_DE.UTF-8'", 'de_DE.UTF-8'],
    ['export LANG=de_DE.UTF-8', 'de_DE.UTF-8'],
    ['  LANG=de_DE.UTF-8  ', 'de_DE.UTF-8'],
    ['LANG=de_DE.UTF-8 # as in the office', 'de_DE.UTF-8'],
    ['LANG="a # b"', 'a # b'],
    ['LANG=a b', 'a b'],
    ['LANG=', ''],
    ['LANG=""', ''],
    ['LANG=a=b', 'a=b'],
    ['LANG="x', '"x'],
    ['LANG=$HOME', '$HOME'],
    ['LANG=de\r', 'de'],
  ])('%j says %j', (line, value) => {
    expect(read(`# first\n${line}\n`)).toEqual({ LANG: value })
  })

  test.each(['# LANG=x', 'LANG', '=x', '1LANG=x', 'LA NG=x', 'LANG =x', 'unset LANG', 'LANG=\0', ''])(
    '%j says nothing',
    (line) => {
      expect(read(`${line}\n`)).toEqual({})
    },
  )

  test('has the last word of its own', () => {
    expect(read('A=1\nB=2\nA=3')).toEqual({ A: '3', B: '2' })
  })

  test('that is missing, or no file, is empty', () => {
    mkdirSync(join(folder, 'a-folder'))
    expect(readEnvironmentFile(join(folder, 'missing'))).toEqual({})
    expect(readEnvironmentFile(join(folder, 'a-folder'))).toEqual({})
  })

  test('never disturbs, whatever is in it, and what it says can be given to a program', () => {
    const line = fc.tuple(
      fc.constantFrom('', 'export ', ' ', '#'),
      fc.oneof(fc.constantFrom('LANG', '__proto__', 'constructor', 'A1'), fc.string()),
      fc.constantFrom('=', '="', "='", '== '),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('', '"', "'", ' # x', '\r'),
    )
    const content = fc.oneof(
      fc.array(line.map((parts) => parts.join(''))).map((lines) => Buffer.from(lines.join('\n'))),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    )
    const path = file('')
    fc.assert(
      fc.property(content, (bytes) => {
        writeFileSync(path, bytes)
        for (const [name, value] of Object.entries(readEnvironmentFile(path))) {
          expect(name).toMatch(/^[A-Za-z_]\w*$/)
          expect(value).not.toMatch(/[\n\0]/)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('does not keep us long, however strange it is', () => {
    expect(read(`A=${' '.repeat(300_000)}"\nB=1`)).toMatchObject({ B: '1' })
  })
})

describe('the environment of a session', () => {
  test('is that of a login', () => {
    expect(sessionEnvironment(ANN, undefined, 'C.UTF-8', [])).toEqual({
      PATH: '/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games',
      LANG: 'C.UTF-8',
      HOME: '/homes/ann',
      USER: 'ann',
      LOGNAME: 'ann',
      SHELL: '/bin/zsh',
      MAIL: '/var/mail/ann',
      XDG_RUNTIME_DIR: '/run/user/4711',
    })
  })

  test('has what the files say, and later files win', () => {
    const [first, second] = [file('LANG=de_DE.UTF-8\nEDITOR=vi'), file('LANG=es_ES.UTF-8')]
    expect(sessionEnvironment(ANN, undefined, 'C.UTF-8', [first, second])).toMatchObject({
      LANG: 'es_ES.UTF-8',
      EDITOR: 'vi',
    })
  })

  test('keeps who she is, whatever the files say', () => {
    const liar = file('HOME=/root\nUSER=root\nLOGNAME=root\nSHELL=/bin/false\nXDG_RUNTIME_DIR=/run/user/0')
    expect(sessionEnvironment(ANN, undefined, 'C.UTF-8', [liar])).toEqual(
      sessionEnvironment(ANN, undefined, 'C.UTF-8', []),
    )
  })

  test('has the language that the client wants, above all that the system prefers', () => {
    const system = file('LANG=es_ES.UTF-8\nLANGUAGE=es:en\nLC_ALL=es_ES.UTF-8\nLC_TIME=es_ES.UTF-8')
    expect(sessionEnvironment(ANN, 'de_DE.UTF-8', 'C.UTF-8', [system])).toMatchObject({
      LANG: 'de_DE.UTF-8',
      LANGUAGE: '',
      LC_ALL: '',
    })
  })
})
