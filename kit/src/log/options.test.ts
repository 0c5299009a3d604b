import { describe, expect, test } from 'vitest'
import { ConfigError, loadConfig } from '../config.ts'
import { logOptions, logSettings } from './options.ts'
import { FACILITIES } from './syslog-message.ts'

const TABLE = logOptions({ filename: '' })

function settings(values: Record<string, string>) {
  return logSettings(loadConfig(TABLE, [], values)).settings
}

function problem(values: Record<string, string>): string {
  try {
    settings(values)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.join('\n')
    throw error
  }
  throw new Error('there is no problem')
}

test('by default lines go to standard output from INFO on', () => {
  expect(settings({})).toEqual({ level: 'INFO' })
})

test('a file has a size and a number', () => {
  expect(settings({ 'log.filename': '/x/a.log' }).file).toEqual({
    path: '/x/a.log',
    size: 10_485_760,
    max: 5,
  })
  const chosen = { 'log.filename': '/x/a.log', 'log.file.size': '65536', 'log.file.max': '1' }
  expect(settings(chosen).file).toEqual({ path: '/x/a.log', size: 65_536, max: 1 })
})

test('file and syslog go together', () => {
  const both = settings({
    'log.filename': '/x/a.log',
    'log.syslog': 'local',
    'log.syslog.facility': 'local7',
  })
  expect(both.file?.path).toBe('/x/a.log')
  expect(both.syslog).toEqual({ target: { kind: 'local', socket: '/dev/log' }, facility: 'local7' })
})

describe('where syslog is', () => {
  test.each([
    ['udp://127.0.0.1:514', { kind: 'udp', host: '127.0.0.1', port: 514 }],
    ['tcp://logs.example.org:6514', { kind: 'tcp', host: 'logs.example.org', port: 6514 }],
    ['TCP://logs', { kind: 'tcp', host: 'logs', port: 514 }],
    ['udp://[fe80::1]:1514', { kind: 'udp', host: 'fe80::1', port: 1514 }],
  ])('%s', (text, target) => {
    expect(settings({ 'log.syslog': text }).syslog?.target).toEqual(target)
  })

  test.each([
    'remote',
    'udp://',
    'udp://:514',
    'udp://a:0',
    'udp://a:70000',
    'http://a:1',
    'tcp://a b:1',
    'udp://a:1/x',
  ])('%s is a problem', (text) => {
    expect(problem({ 'log.syslog': text })).toBe(
      'override: log.syslog is neither empty nor local, udp://HOST:PORT or tcp://HOST:PORT',
    )
  })
})

test.each([
  ['log.level', 'LOUD', 'is none of ALL, TRACE, DEBUG, INFO, WARN, ERROR, FATAL, OFF'],
  ['log.filename', 'a.log', 'is neither empty nor an absolute path'],
  ['log.file.size', '50', 'is not a whole number from 65536 to 1099511627776'],
  ['log.file.max', '0', 'is not a whole number from 1 to 1000'],
  ['log.syslog.facility', 'local8', `is none of ${FACILITIES.join(', ')}`],
])('%s = %s is a problem', (key, value, text) => {
  expect(problem({ [key]: value })).toBe(`override: ${key} ${text}`)
})
