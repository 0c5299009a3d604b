import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig, path, text } from '../config.ts'
import { mapLog4perl } from './log4perl.ts'
import { logOptions, logSettings } from './options.ts'

const CORPUS = join(import.meta.dirname, 'log4perl-corpus')
const TABLE = {
  nodename: text('', ''),
  'path.log': path('', '/var/log/ostler'),
  ...logOptions({ filename: '${path.log}/own.log' }),
}

/** The log that a file asks for, and its warnings without the folder. */
function logOf(name: string) {
  const file = join(CORPUS, name)
  const config = loadConfig(TABLE, [{ path: file, required: true }], {}, { collect: ['log4perl.'] })
  const { settings, warnings } = logSettings(config)
  return {
    settings,
    warnings: [...config.warnings, ...warnings]
      .map((warning) => warning.replace(`${CORPUS}/`, ''))
      .sort(byLine),
  }
}

function byLine(a: string, b: string): number {
  const line = (text: string): number => Number(/:(\d+):/.exec(text)?.[1])
  return line(a) - line(b)
}

describe('files as QVD’s administrators write them', () => {
  test('a file of its own: level, name, size and number are taken', () => {
    expect(logOf('file.conf')).toEqual({
      settings: { level: 'DEBUG', file: { path: '/srv/log/qvd.log', size: 52_428_800, max: 10 } },
      warnings: ['file.conf:13: log4perl.appender.LOGFILE.layout not used: lines are JSON'],
    })
  })

  test('additions to the appender that QVD brings', () => {
    expect(logOf('refined.conf')).toEqual({
      settings: { level: 'ERROR', file: { path: '/var/log/qvd/qvd.log', size: 20 << 20, max: 3 } },
      warnings: [
        'refined.conf:6: log4perl.appender.LOGFILE.DatePattern not used: files are rotated by size, log.file.size',
        'refined.conf:7: log4perl.appender.LOGFILE.layout.ConversionPattern not used: lines are JSON',
      ],
    })
  })

  test('the local syslog alone: the file goes, standard output comes', () => {
    expect(logOf('syslog.conf')).toEqual({
      settings: {
        level: 'WARN',
        syslog: { target: { kind: 'local', socket: '/dev/log' }, facility: 'local1' },
      },
      warnings: [
        'syslog.conf:5: log4perl.appender.SYSLOG.ident not used: nothing here does that',
        'syslog.conf:9: log4perl.appender.SYSLOG.layout not used: lines are JSON',
      ],
    })
  })

  test('a file, the screen and a remote syslog', () => {
    expect(logOf('remote.conf')).toEqual({
      settings: {
        level: 'INFO',
        file: { path: '/var/log/qvd/l7r.log', size: 10 << 20, max: 5 },
        syslog: { target: { kind: 'tcp', host: 'collector.example.org', port: 6514 }, facility: 'daemon' },
      },
      warnings: [
        'remote.conf:8: log4perl.appender.SCREEN not used: with a file nothing goes to standard output',
        'remote.conf:10: log4perl.appender.SCREEN.layout not used: lines are JSON',
      ],
    })
  })

  test('what cannot be done is told line by line, and the rest is done', () => {
    expect(logOf('beyond.conf')).toEqual({
      settings: { level: 'TRACE', file: { path: '/var/log/qvd/qvd.log', size: 10 << 20, max: 5 } },
      warnings: [
        'beyond.conf:3: log4perl.rootLogger "CHATTY" is none of ALL, TRACE, DEBUG, INFO, WARN, ERROR, FATAL, OFF',
        'beyond.conf:3: log4perl.rootLogger names GHOST, which is not defined',
        'beyond.conf:5: log4perl.logger.QVD.L7R not used: there is one level for everything, log.level',
        'beyond.conf:6: log4perl.additivity.QVD.L7R not used: nothing here does that',
        'beyond.conf:7: log4perl.threshold not used: there is one level for everything, log.level',
        'beyond.conf:8: log4perl.appender.LOGFILE.filename is neither empty nor an absolute path: not used',
        'beyond.conf:9: log4perl.appender.LOGFILE.size is not a whole number from 65536 to 1099511627776: not used',
        'beyond.conf:10: log4perl.appender.LOGFILE.mode not used: nothing here does that',
        'beyond.conf:11: log4perl.appender.LOGFILE.Threshold not used: there is one level for everything, log.level',
        'beyond.conf:12: log4perl.appender.LOGFILE.permissions not used: nothing here does that',
        'beyond.conf:13: log4perl.appender.SECOND not used: one file is enough',
        'beyond.conf:15: log4perl.appender.Mailer not used: nothing here is like Log::Dispatch::Email::MailSend',
        'beyond.conf:18: log4perl.appender.Mailer.layout not used: lines are JSON',
        'beyond.conf:19: log4perl.appender.UNUSED not used: no known logger has this appender',
        'beyond.conf:21: log4perl.oneMessagePerAppender not used: nothing here does that',
      ],
    })
  })
})

/** What lines say of our options, as `option=value`, and the number of warnings. */
function mapped(...lines: readonly (readonly [string, string])[]): [string[], number] {
  const properties = lines.map(([key, value], index) => ({
    key: `log4perl.${key}`,
    value,
    file: 'f',
    line: index + 1,
  }))
  const { overrides, warnings } = mapLog4perl(properties)
  return [Object.entries(overrides).map(([key, { value }]) => `${key}=${value}`), warnings.length]
}

test('without such lines nothing is said', () => {
  expect(mapped()).toEqual([[], 0])
})

test('a level alone keeps the appender that QVD brings', () => {
  expect(mapped(['rootLogger', 'OFF'])).toEqual([['log.level=OFF'], 0])
})

test('the screen instead of a file', () => {
  expect(
    mapped(
      ['category', 'INFO, Screen'],
      ['appender.Screen', 'Log::Dispatch::Screen'],
      ['appender.Screen.stderr', '1'],
    ),
  ).toEqual([['log.level=INFO', 'log.filename='], 1])
})

test('a wish for another file comes beside the one of the root', () => {
  const [overrides] = mapped(['logger.QVD', ', MINE'], ['appender.MINE', 'Log::Dispatch::Syslog'])
  expect(overrides).toEqual(['log.syslog=local'])
})

describe('sockets of syslog', () => {
  const socket = (...lines: readonly (readonly [string, string])[]) =>
    mapped(['rootLogger', 'INFO, S'], ['appender.S', 'Log::Dispatch::Syslog'], ...lines)[0].at(-1)
  test.each([
    [[], 'local'],
    [[['appender.S.socket', 'native']], 'local'],
    [[['appender.S.socket', 'udp']], 'udp://127.0.0.1:514'],
    [[['appender.S.socket', 'inet']], 'udp://127.0.0.1:514'],
    [[['appender.S.socket', '{ type => "udp", host => "fe80::1" }']], 'udp://[fe80::1]:514'],
    [
      [
        ['appender.S.socket.type', 'tcp'],
        ['appender.S.socket.host', 'logs'],
        ['appender.S.socket.port', '601'],
      ],
      'tcp://logs:601',
    ],
    [[['appender.S.socket', 'pigeon']], 'local'],
  ] as const)('%j is %s', (lines, target) => {
    expect(socket(...lines)).toBe(`log.syslog=${target}`)
  })
})
