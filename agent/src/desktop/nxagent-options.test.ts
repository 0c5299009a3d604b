import { expect, test } from 'vitest'
import { nxOptionLine } from './nxagent-options.ts'

const CLIENT = {
  geometry: { width: 1280, height: 720 },
  fullscreen: false,
  link: 'adsl',
  keyboard: 'pc105/us',
  os: 'linux',
}

function optionsOf(line: string): Map<string, string> {
  const [, words = ''] = /^nx\/nx,(.*):\d+\n$/.exec(line) ?? []
  return new Map(
    words.split(',').map((word): [string, string] => [word.split('=')[0] ?? '', word.split('=')[1] ?? '']),
  )
}

function line(channels = { slave: false, audio: false }, client = CLIENT): string {
  return nxOptionLine(client, { socket: '/run/ostler/display/nx.sock', display: 100, channels })
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
  expect(optionsOf(line(undefined, { ...CLIENT, fullscreen: true })).get('fullscreen')).toBe('1')
})

test('it listens on the unix socket alone, and never sleeps', () => {
  const options = optionsOf(line())
  expect(options.get('listen')).toBe('unix:/run/ostler/display/nx.sock')
  expect(options.get('sleep')).toBe('0')
  expect([...options.keys()]).not.toContain('accept')
})

test('only the channels that are wanted are opened', () => {
  expect([...optionsOf(line()).keys()]).not.toContain('slave')
  expect([...optionsOf(line()).keys()]).not.toContain('media')
  expect(optionsOf(line({ slave: true, audio: false })).get('slave')).toBe('1')
  expect(optionsOf(line({ slave: false, audio: true })).get('media')).toBe('1')
})
