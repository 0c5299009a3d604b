import { Fault } from '@ostler/contract/fault.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadAgentConfig } from '../config/load.ts'
import type { AgentValues } from '../config/options.ts'
import { nxOptionLine } from './nxagent-options.ts'
import { readRequest, type SessionRequest } from './request.ts'

const DEFAULTS = loadAgentConfig({ own: '/no/such/file', qvd: '/no/such/file' }).values
type Parameters = Readonly<Record<string, string>>

function read(parameters: Parameters, config: Partial<AgentValues> = {}): SessionRequest {
  return readRequest('nx', parameters, { ...DEFAULTS, ...config })
}

/** The parameter that is named as the wrong one. */
function refusedBy(parameters: Parameters): string {
  try {
    read(parameters)
  } catch (error) {
    if (error instanceof Fault && error.code === 'session.parameter') return String(error.detail['parameter'])
    if (error instanceof Fault && error.code === 'request.invalid')
      return /qvd\.[\w.]+/.exec(error.message)?.[0] ?? error.message
    throw error
  }
  throw new Error('it was accepted')
}

describe('without parameters', () => {
  test('it is a session of the default account, shown as QVD shows it', () => {
    expect(read({})).toEqual({
      display: 'nx',
      user: {
        name: 'qvd',
        uid: undefined,
        gid: undefined,
        group: 'qvd',
        groups: ['qvduser'],
        home: '/home/qvd',
        shell: '/bin/bash',
      },
      client: {
        geometry: { width: 1024, height: 768 },
        fullscreen: false,
        link: 'adsl',
        keyboard: 'pc105/us',
        os: 'linux',
      },
      extraArgs: new Map(),
      application: false,
      printing: undefined,
      printingFlavor: '',
      sound: { play: true, microphone: false },
      policy: { clipboard: 'both', folders: 'rw', ports: true, printing: true, audio: true },
      slaveKey: undefined,
      timeZone: undefined,
      locale: undefined,
      pairs: [
        ['qvd.vm.user.name', 'qvd'],
        ['qvd.vm.user.groups', 'qvduser'],
        ['qvd.vm.user.home', '/home/qvd'],
      ],
    })
  })

  test('the configuration says what the defaults are', () => {
    const config = {
      'vma.user.default.name': 'guest',
      'vma.user.default.groups': 'audio, video',
      'vma.user.home.path': '/homes',
      'vma.user.shell': '/bin/sh',
      'vma.default.client.keyboard': 'pc105/de',
      'vma.default.client.link': 'lan',
    }
    const { user, client } = read({}, config)
    expect(user).toMatchObject({
      name: 'guest',
      group: 'guest',
      groups: ['audio', 'video'],
      home: '/homes/guest',
      shell: '/bin/sh',
    })
    expect(client).toMatchObject({ keyboard: 'pc105/de', link: 'lan' })
  })

  test('an empty parameter is a missing one', () => {
    const names = Object.keys(EVERYTHING)
    const { pairs: _, ...empty } = read(Object.fromEntries(names.map((name) => [name, ''])))
    const { pairs: __, ...none } = read({})
    expect(empty).toEqual(none)
  })
})

const EVERYTHING = {
  'qvd.vm.user.name': 'ann',
  'qvd.vm.user.uid': '4711',
  'qvd.vm.user.gid': '4712',
  'qvd.vm.user.group': 'staff',
  'qvd.vm.user.groups': 'audio, video',
  'qvd.vm.user.home': '/srv/homes/ann',
  'qvd.client.keyboard': 'pc104/es',
  'qvd.client.os': 'windows',
  'qvd.client.link': '256k',
  'qvd.client.geometry': '1280x720',
  'qvd.client.fullscreen': '1',
  'qvd.client.nxagent.extra_args': 'cache=16M',
  'qvd.client.printing.enabled': '1',
  'qvd.client.printing.flavor': 'ipp',
  'qvd.client.timezone': 'America/Argentina/Buenos_Aires',
  'qvd.client.locale': 'es_AR.UTF-8',
  'qvd.slave.key': 'x'.repeat(64),
  'qvd.vm.is_application': '1',
}

test('every parameter means what it means in QVD', () => {
  expect(read(EVERYTHING, { 'vma.printing.enable': true })).toEqual({
    display: 'nx',
    user: {
      name: 'ann',
      uid: 4711,
      gid: 4712,
      group: 'staff',
      groups: ['audio', 'video'],
      home: '/srv/homes/ann',
      shell: '/bin/bash',
    },
    client: {
      geometry: { width: 1280, height: 720 },
      fullscreen: true,
      link: '256k',
      keyboard: 'pc104/es',
      os: 'windows',
    },
    extraArgs: new Map([['cache', '16M']]),
    application: true,
    printing: 'smb',
    printingFlavor: 'ipp',
    sound: { play: true, microphone: false },
    policy: { clipboard: 'both', folders: 'rw', ports: true, printing: true, audio: true },
    slaveKey: 'x'.repeat(64),
    timeZone: 'America/Argentina/Buenos_Aires',
    locale: 'es_AR.UTF-8',
    pairs: Object.entries(EVERYTHING),
  })
})

describe('what hooks get', () => {
  test('is all that was given, also what means nothing to us, in its order, then the defaults', () => {
    const given = { 'custom.z': '1', 'qvd.vm.user.home': '', 'custom.a': '', 'qvd.vm.user.name': 'ann' }
    expect(read(given).pairs).toEqual([
      ['custom.z', '1'],
      ['qvd.vm.user.home', '/home/ann'],
      ['custom.a', ''],
      ['qvd.vm.user.name', 'ann'],
      ['qvd.vm.user.groups', 'qvduser'],
    ])
  })
})

describe('printing', () => {
  const enabled = { 'qvd.client.printing.enabled': '1' }

  test('is off where the door does not allow it, whatever the client wants', () => {
    const forbidden = { ...enabled, 'qvd.ostler.policy.printing': '0' }
    expect(read(forbidden, { 'vma.printing.enable': true }).printing).toBeUndefined()
  })
  test.each([
    ['of Linux is CUPS', { ...enabled, 'qvd.client.os': 'linux' }, true, 'cups'],
    ['of Windows is SMB', { ...enabled, 'qvd.client.os': 'windows' }, true, 'smb'],
    ['of a client that does not say its system is CUPS', enabled, true, 'cups'],
    [
      'of QVD 4 for Windows may be on the slave channel',
      { ...enabled, 'qvd.client.os': 'windows', 'qvd.client.printing.flavor': 'slave4' },
      true,
      'slave',
    ],
    ['is off when the client does not want it', { 'qvd.client.printing.enabled': '0' }, true, undefined],
    ['is off when this desktop does not want it', enabled, false, undefined],
  ] as const)('%s', (_, parameters, enable, channel) => {
    expect(read(parameters, { 'vma.printing.enable': enable }).printing).toBe(channel)
  })
})

test.each(['1', 'true'])('an application is said by "%s"', (value) => {
  expect(read({ 'qvd.vm.is_application': value }).application).toBe(true)
})

describe('refused, by its name, is', () => {
  const spoilers: Readonly<Record<string, readonly string[]>> = {
    'qvd.vm.user.name': [
      '-ann',
      'ann/../root',
      'ann:x',
      'ann lee',
      'änn',
      '7',
      'a'.repeat(33),
      'ann\n',
      '.',
      '..',
      '%s',
    ],
    'qvd.vm.user.uid': ['0', '00', '-1', '1.5', '0x10', '1e3', ' 7', '4294967294', '99999999999', 'root'],
    'qvd.vm.user.gid': ['0', '4294967295', 'staff'],
    'qvd.vm.user.group': ['-g', 'a,b', 'a b', '../x'],
    'qvd.vm.user.groups': ['audio,-G', 'a/b', 'audio;video', '7'],
    'qvd.vm.user.home': [
      'home/ann',
      '/',
      '/home/ann/',
      '/home//ann',
      '/home/../etc',
      '/home/./ann',
      '/home/..',
      '/home/a:b',
      '/home/%h',
      '/home/a\nb',
      '/home/a\0b',
      '~ann',
    ],
    'qvd.client.geometry': ['1280', '0x0', '63x64', '16385x64', '1280x720,listen=1', '1280 x 720'],
    'qvd.client.fullscreen': ['2', 'yes', '1,listen=4000'],
    'qvd.client.link': ['ad sl', 'adsl,listen=1', 'adsl\n', 'x'.repeat(65)],
    'qvd.client.keyboard': ['pc105/us,listen=1', 'pc105 us', '"'],
    'qvd.client.os': ['linux,x=1', 'li nux'],
    'qvd.client.nxagent.extra_args': ['listen=4000', 'cache=1,cache=2', 'cache'],
    'qvd.client.printing.flavor': ['ipp x', 'a/b', 'x'.repeat(33), 'ipp\nqvd.slave.port = 1'],
    'qvd.slave.key': ['short', 'x'.repeat(129), `${'x'.repeat(30)}\n`, `${'x'.repeat(30)} `],
    'qvd.client.timezone': [
      '../../etc/passwd',
      '/etc/passwd',
      'Europe//Madrid',
      'A/B/C/D',
      'Europe/Madrid;id',
      '-x',
    ],
    'qvd.client.locale': ['de_DE.UTF-8;id', '../x', 'de_DE UTF-8', 'C.UTF-8@a b', '.UTF-8', 'x'.repeat(9)],
  }
  test.each(
    Object.entries(spoilers).flatMap(([name, values]) => values.map((value) => [name, value] as const)),
  )('%s = %j', (name, value) => {
    expect(refusedBy({ ...EVERYTHING, [name]: value })).toBe(name)
  })
})

test.each([
  ['qvd.client.timezone', ['UTC', 'Europe/Madrid', 'Etc/GMT+5', 'EST5EDT', 'America/Port-au-Prince']],
  ['qvd.client.locale', ['C', 'POSIX', 'de', 'de_DE', 'C.UTF-8', 'ca_ES.UTF-8@valencia', 'de_DE@euro']],
  ['qvd.vm.user.name', ['ann', 'Ann.Lee', '_ann', 'ann-lee_2']],
  ['qvd.vm.user.home', ['/ann', '/home/domain/ann lee', '/home/änn', '/home/..ann']],
  ['qvd.vm.user.uid', ['1', '1000', '4294967293']],
  ['qvd.client.geometry', ['64x64', '16384x16384', '1280x720+0+0', '1280x720-5+7']],
] as const)('%s may be any of %j', (name, values) => {
  for (const value of values) expect(read({ [name]: value }).pairs).toContainEqual([name, value])
})

test('no parameter, and no default of the configuration, can add an option to the line that nxagent reads', () => {
  const names = Object.keys(EVERYTHING)
  const value = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...Object.values(EVERYTHING), '', 'lan', '800x600', '0') },
    fc.constantFrom(',', ' ', '\n', 'lan,listen=1', 'lan listen=1', 'lan\n', '1:7', 'nx/nx,', '\u2028', '\r'),
    fc.string({ unit: 'binary', maxLength: 70 }),
  )
  const parameters = fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), value)
  const settings = { display: 100, socket: '/run/nx.sock', tolerance: 'risky', slave: true, audio: true }
  const ours = ['link', 'client', 'geometry', 'fullscreen', 'keyboard', 'sleep', 'listen', 'tolerancechecks']
  const theirs = ['cache', 'clipboard', 'slave', 'media', 'cups', 'smb', 'shpix', 'xinerama']
  let accepted = 0
  fc.assert(
    fc.property(parameters, value, value, (given, keyboard, link) => {
      const config = { 'vma.default.client.keyboard': keyboard, 'vma.default.client.link': link }
      let request: SessionRequest
      try {
        request = read(given, { ...config, 'vma.printing.enable': true })
      } catch (error) {
        expect(error).toBeInstanceOf(Fault)
        return
      }
      accepted += 1
      const line = nxOptionLine(request, settings)
      expect(line).toMatch(/^nx\/nx(,[a-z]+=[\w/.:+-]+)+:100\n$/)
      const keys = [...line.matchAll(/,([a-z]+)=/g)].map(([, key]) => key)
      expect([...ours, ...theirs]).toEqual(expect.arrayContaining(keys))
      expect(keys.filter((key) => ours.includes(key ?? ''))).toEqual(ours)
      expect(line).toContain(',listen=unix:/run/nx.sock,')
    }),
    { numRuns: 3_000 },
  )
  expect(accepted).toBeGreaterThan(0)
})

test('whatever is given, an accepted account can be neither an option, nor a path elsewhere, nor number 0', () => {
  const value = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom('root', '0', '../x', '-rf'),
  )
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...Object.keys(EVERYTHING)), value), (given) => {
      let request: SessionRequest
      try {
        request = read(given)
      } catch (error) {
        expect(error).toBeInstanceOf(Fault)
        return
      }
      const { name, group, groups, home, uid, gid } = request.user
      for (const word of [name, group, ...groups]) expect(word).toMatch(/^[A-Za-z_][A-Za-z0-9_.-]*$/)
      expect(home).toMatch(/^\/[^/]/)
      expect(home.split('/')).not.toContain('..')
      for (const number of [uid, gid]) expect(number).not.toBe(0)
    }),
    { numRuns: 2_000 },
  )
})

test.each([
  ['0', '', { play: false, microphone: false }],
  ['1', '0', { play: true, microphone: false }],
  ['1', '1', { play: true, microphone: true }],
])('sound %s and microphone %s of the client', (sound, microphone, wanted) => {
  const said = { 'qvd.client.audio.sound.enable': sound, 'qvd.client.audio.microphone.enable': microphone }
  expect(read(said).sound).toEqual(wanted)
})
