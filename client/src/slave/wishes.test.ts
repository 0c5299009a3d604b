import { loadConfig } from '@ostler/kit/config.ts'
import { expect, test } from 'vitest'
import { CLIENT_OPTIONS } from '../config/options.ts'
import { parseForward } from './forward.ts'
import { type ChannelValues, channelWishes } from './wishes.ts'

const said = (values: Readonly<Record<string, string>> = {}): ChannelValues =>
  loadConfig(CLIENT_OPTIONS, [], values).values

test('who wants nothing needs no channel, and who has it off has none', () => {
  expect(channelWishes(said(), [])).toMatchObject({
    isNeeded: false,
    open: { links: false, documents: false },
  })
  expect(channelWishes(said(), [{ here: 1, there: 2 }])?.isNeeded).toBe(true)
  expect(channelWishes(said({ 'client.slave.ports': '22' }), [])?.isNeeded).toBe(true)
  expect(channelWishes(said(), [], 1)?.isNeeded).toBe(true)
  const off = said({ 'client.slave.enable': '0', 'client.open.enable': 'links' })
  expect(channelWishes(off, [{ here: 1, there: 2 }])).toBeUndefined()
})

test('the configuration says what a desktop may', () => {
  const wishes = channelWishes(
    said({ 'client.open.enable': 'links', 'client.slave.ports': '22, 8000-8010' }),
    [],
  )
  expect(wishes?.open).toMatchObject({ links: true, documents: false, program: 'xdg-open' })
  expect([21, 22, 23, 8000, 8010, 8011].filter((port) => wishes?.ports(port))).toEqual([22, 8000, 8010])
  const more = channelWishes(said({ 'client.open.enable': 'links,documents' }), [])
  expect(more?.open).toMatchObject({ links: true, documents: true })
})

test.each([
  ['client.open.enable', 'everything'],
  ['client.slave.ports', 'all'],
  ['client.slave.ports', '9-8'],
])('%s = %s is refused', (key, value) => {
  expect(() => said({ [key]: value })).toThrow(key)
})

test('a forward is two ports, and the desktop’s own loopback between', () => {
  expect(parseForward('8080:localhost:80')).toEqual({ here: 8080, there: 80 })
  expect(parseForward('8080:127.0.0.1:80')).toEqual({ here: 8080, there: 80 })
  for (const text of ['8080:80', '0:localhost:80', '8080:localhost:http', '8080:localhost:80:1', ''])
    expect(() => parseForward(text)).toThrow(/two ports/)
  for (const text of ['8080:10.0.0.1:80', '8080:example.org:80', '8080::80'])
    expect(() => parseForward(text)).toThrow(/only localhost/)
})
