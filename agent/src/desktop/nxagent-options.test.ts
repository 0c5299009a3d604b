import { describe, expect, test } from 'vitest'
import { nxOptionLine, type NxSettings } from './nxagent-options.ts'
import type { SessionRequest } from './request.ts'

const CLIENT = {
  geometry: { width: 1280, height: 720 },
  fullscreen: false,
  link: 'adsl',
  keyboard: 'pc105/us',
  os: 'linux',
}
const SETTINGS: NxSettings = {
  display: 100,
  socket: '/run/ostler/display/nx.sock',
  tolerance: 'risky',
  slave: false,
  audio: false,
}
const REQUEST: SessionRequest = {
  display: 'nx',
  user: {
    name: 'ann',
    uid: undefined,
    gid: undefined,
    group: 'ann',
    groups: [],
    home: '/home/ann',
    shell: '/bin/sh',
  },
  client: CLIENT,
  extraArgs: new Map(),
  application: false,
  printing: undefined,
  printingFlavor: '',
  sound: { play: true, microphone: false },
  policy: { clipboard: 'both', folders: 'rw', ports: true, printing: true, audio: true },
  slaveKey: undefined,
  timeZone: undefined,
  locale: undefined,
  pairs: [],
}

function optionsOf(line: string): Map<string, string> {
  const [, words = ''] = /^nx\/nx,(.*):\d+\n$/.exec(line) ?? []
  return new Map(
    words.split(',').map((word): [string, string] => [word.split('=')[0] ?? '', word.split('=')[1] ?? '']),
  )
}

function line(settings: Partial<NxSettings> = {}, request: Partial<SessionRequest> = {}): string {
  return nxOptionLine({ ...REQUEST, ...request }, { ...SETTINGS, ...settings })
}

test('it is one line that begins with nx/nx and ends with the display', () => {
  expect(line()).toMatch(/^nx\/nx,[^\n]*:100\n$/)
})

test('the wishes of the client are in it', () => {
  const options = optionsOf(line())
  expect(options.get('geometry')).toBe('1280x720')
  expect(options.get('fullscreen')).toBe('0')
  expect(options.get('link')).toBe('adsl')
  expect(options.get('client')).toBe('linux')
  expect(options.get('keyboard')).toBe('pc105/us')
  expect(optionsOf(line({}, { client: { ...CLIENT, fullscreen: true } })).get('fullscreen')).toBe('1')
})

test.each([
  [1920, 1080, true, '0'],
  [1080, 1920, true, '0'],
  [1280, 1024, true, '0'],
  [3840, 1080, true, '1'],
  [1920, 2160, true, '1'],
  [3840, 1080, false, '0'],
])(
  'a picture of %i by %i (full screen: %s) asks for the screens behind it: %s',
  (width, height, fullscreen, wanted) => {
    const client = { ...CLIENT, geometry: { width, height }, fullscreen }
    expect(optionsOf(line({}, { client })).get('xinerama')).toBe(wanted)
    const asked = new Map([['xinerama', '1']])
    expect(optionsOf(line({}, { client, extraArgs: asked })).get('xinerama')).toBe('1')
  },
)

test('it listens on the unix socket alone, and never sleeps', () => {
  const options = optionsOf(line())
  expect(options.get('listen')).toBe('unix:/run/ostler/display/nx.sock')
  expect(options.get('sleep')).toBe('0')
  expect([...options.keys()]).not.toContain('accept')
})

test('only the channels that are wanted are opened', () => {
  expect([...optionsOf(line()).keys()]).not.toContain('slave')
  expect([...optionsOf(line()).keys()]).not.toContain('media')
  expect(optionsOf(line({ slave: true })).get('slave')).toBe('1')
  expect(optionsOf(line({ audio: true })).get('media')).toBe('1')
})

test('printers have a channel of nxagent’s, but for those on the slave channel', () => {
  const channels = (printing: SessionRequest['printing']): string[] =>
    [...optionsOf(line({ slave: true }, { printing })).keys()].filter((key) =>
      ['cups', 'smb', 'slave'].includes(key),
    )
  expect(channels('cups')).toEqual(['slave', 'cups'])
  expect(channels('smb')).toEqual(['slave', 'smb'])
  expect(channels('slave')).toEqual(['slave'])
})

test("QVD's l7r finds it on TCP: then no socket is named", () => {
  expect([...optionsOf(line({ socket: undefined })).keys()]).not.toContain('listen')
})

test('what a client chose comes before what is ours, so that ours is the last word', () => {
  const text = line({}, { extraArgs: new Map([['cache', '16M']]) })
  expect(text).toMatch(/,cache=16M,.*listen=unix:/)
})

describe('what the door allows', () => {
  const policy = (more: Partial<SessionRequest['policy']>) => ({ policy: { ...REQUEST.policy, ...more } })

  test.each([
    ['none', 'none'],
    ['in', 'client'],
    ['out', 'server'],
    ['both', 'both'],
  ] as const)('clipboard %s is %s to nxagent', (way, word) => {
    expect(optionsOf(line({}, policy({ clipboard: way }))).get('clipboard')).toBe(word)
  })

  test('without sound there is no media channel', () => {
    expect(optionsOf(line({ audio: true }, policy({ audio: false }))).has('media')).toBe(false)
  })

  test('without folders there is no slave channel', () => {
    expect(optionsOf(line({ slave: true }, policy({ folders: 'off' }))).has('slave')).toBe(false)
    expect(optionsOf(line({ slave: true }, policy({ folders: 'ro' }))).has('slave')).toBe(true)
  })
})
