import { Fault } from '@ostler/contract/fault.ts'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadAgentConfig, printConfig } from './load.ts'
import { AGENT_OPTIONS } from './options.ts'

let folder: string
let files: { own: string; qvd: string }
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-load-'))
  files = { own: join(folder, 'own.conf'), qvd: join(folder, 'qvd.conf') }
})
afterEach(() => rmSync(folder, { recursive: true }))

function faultOf(load: () => unknown): Fault {
  try {
    load()
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
  throw new Error('it was loaded')
}

describe('of two files', () => {
  test('none need be there', () => {
    const { values, warnings, origin } = loadAgentConfig(files)
    expect(values['vma.user.home.path']).toBe('/home')
    expect(origin('vma.user.home.path')).toBe('default')
    expect(warnings).toEqual([])
  })

  test("ours is the one that is read, and QVD's is not looked at", () => {
    writeFileSync(files.own, 'vma.user.home.path = /ours\n')
    writeFileSync(files.qvd, 'vma.user.home.path = /theirs\nrubbish\n')
    const { values, origin } = loadAgentConfig(files)
    expect(values['vma.user.home.path']).toBe('/ours')
    expect(values['path.run']).toBe('/run/ostler/session')
    expect(origin('vma.user.home.path')).toBe(`${files.own}:1`)
  })

  test("QVD's is read when ours is not there, with the folders that scripts for QVD expect", () => {
    writeFileSync(files.qvd, '# as in QVD\n\nvma.user.home.path: /theirs\n')
    const { values, origin } = loadAgentConfig(files)
    expect(values['vma.user.home.path']).toBe('/theirs')
    expect(values['path.run']).toBe('/var/run/qvd')
    expect(values['internal.vma.slave.config']).toBe('/var/run/qvd/slave.conf')
    expect(values['log.filename']).toBe('/var/log/qvd/qvd.log')
    expect(origin('vma.user.home.path')).toBe(`${files.qvd}:3`)
    expect(origin('path.run')).toBe('default')
  })

  test("QVD's may name other folders", () => {
    writeFileSync(files.qvd, 'path.run = /run/other\n')
    expect(loadAgentConfig(files).values['internal.vma.slave.config']).toBe('/run/other/slave.conf')
  })
})

describe('a file with mistakes', () => {
  test('is a fault that tells all of them, each with its line and none with a value', () => {
    const lines = [
      'vma.audio.enable = yes',
      'path.tmp = here',
      'nonsense',
      'internal.nxagent.display = 1000',
      'command.useradd = a b',
      'vma.as_user = ann',
      'vma.user.home.path = ${no.such.key}',
    ]
    writeFileSync(files.own, lines.join('\n'))
    const fault = faultOf(() => loadAgentConfig(files))
    expect(fault.code).toBe('config.invalid')
    const problems = String(fault.detail['problems']).split('\n')
    expect(problems.map((problem) => problem.replace(`${files.own}:`, '')).toSorted()).toEqual(
      [
        '1: vma.audio.enable is neither 0 nor 1',
        '2: path.tmp is not an absolute path',
        '3: expected "key = value"',
        '4: internal.nxagent.display is not a whole number from 1 to 999',
        '5: command.useradd is neither an absolute path nor the name of a program',
        '6: vma.as_user is none of root',
        '7: vma.user.home.path ${no.such.key} is not set',
      ].toSorted(),
    )
  })

  test('that cannot be read is a fault', () => {
    mkdirSync(files.own)
    expect(faultOf(() => loadAgentConfig(files)).message).toContain('cannot be read')
  })
})

describe('a warning comes of', () => {
  const warningsOf = (content: string): readonly string[] => {
    writeFileSync(files.own, content)
    return loadAgentConfig(files).warnings
  }

  test('a key that nobody knows, with the nearest one', () => {
    expect(warningsOf('vma.user.home.pth = /home\n')).toEqual([
      `${files.own}:1: unknown key "vma.user.home.pth", did you mean "vma.user.home.path"?`,
    ])
  })

  test('the hook that QVD never runs, with the one to use', () => {
    expect(warningsOf('\nvma.on_action.disconnect = /etc/hook\n')).toEqual([
      `${files.own}:2: vma.on_action.disconnect is never run, as in QVD: use vma.on_state.suspended`,
    ])
    expect(warningsOf('vma.on_action.disconnect =\n')).toEqual([])
  })

  test('nothing else: lines of log4perl are kept for the log', () => {
    writeFileSync(files.own, 'log4perl.logger = INFO, file\n')
    const { warnings, collected } = loadAgentConfig(files)
    expect(warnings).toEqual([])
    expect(collected.map(({ key, value }) => [key, value])).toEqual([['log4perl.logger', 'INFO, file']])
  })
})

describe('the printed configuration', () => {
  test('has every key, sorted, with its effective value and where that comes from', () => {
    writeFileSync(files.own, 'path.log = /logs\n')
    const lines = printConfig(loadAgentConfig(files)).split('\n')
    const keys = lines.map((line) => line.split(' = ')[0])
    expect(keys).toEqual(Object.keys(AGENT_OPTIONS).toSorted())
    const of = (key: string): string | undefined =>
      lines.find((line) => line.startsWith(`${key} =`))?.replace(/ +#/, ' #')
    expect(of('path.log')).toBe(`path.log = /logs # ${files.own}:1`)
    expect(of('log.filename')).toBe('log.filename = /logs/qvd.log # default')
    expect(of('vma.audio.enable')).toBe('vma.audio.enable = 0 # default')
    expect(of('vma.on_action.stop.timeout')).toBe('vma.on_action.stop.timeout = # default')
  })

  test('tells the origins in a column, which a line that is too long for it does not move', () => {
    const column = (): number[] => {
      const lines = printConfig(loadAgentConfig(files)).split('\n')
      return [
        ...new Set(lines.filter((line) => line.endsWith('# default')).map((line) => line.lastIndexOf('#'))),
      ]
    }
    const before = column()
    writeFileSync(files.own, `vma.x11vnc.extra_args = ${'-x '.repeat(50)}\n`)
    expect(column()).toEqual(before)
  })
})
