import { run } from '@ostler/kit/run.ts'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { setTimeZone } from './time-zone.ts'

const ZONES = '/usr/share/zoneinfo'

let etc: string
beforeEach(() => {
  if (!existsSync(join(ZONES, 'Asia/Tokyo')))
    throw new Error('these tests need the package tzdata; "npm test" installs it')
  etc = mkdtempSync(join(tmpdir(), 'ostler-time-zone-'))
})
afterEach(() => rmSync(etc, { recursive: true }))

const set = (zone: string): string | undefined => setTimeZone(zone, { zones: ZONES, etc })

test.each(['Europe/Madrid', 'America/Argentina/Buenos_Aires', 'Etc/UTC', 'Etc/GMT+5'])(
  '%s is set',
  (zone) => {
    expect(set(zone)).toBeUndefined()
    expect(readlinkSync(join(etc, 'localtime'))).toBe(join(ZONES, zone))
    expect(readFileSync(join(etc, 'timezone'), 'utf8')).toBe(`${zone}\n`)
  },
)

test('the clock of a program that starts afterwards is in it', async () => {
  set('Asia/Tokyo')
  const { stdout } = await run('date', ['+%z'], { env: { TZ: `:${join(etc, 'localtime')}`, PATH: '/bin' } })
  expect(stdout).toBe('+0900\n')
})

test.each([
  ['a link to another zone', (link: string) => symlinkSync(join(ZONES, 'UTC'), link)],
  ['a link to nothing', (link: string) => symlinkSync('/no/such/zone', link)],
  ['a file', (link: string) => copyFileSync(join(ZONES, 'UTC'), link)],
])('%s that is there is replaced, and nothing else is left', (_, make) => {
  make(join(etc, 'localtime'))
  expect(set('Asia/Tokyo')).toBeUndefined()
  expect(readlinkSync(join(etc, 'localtime'))).toBe(join(ZONES, 'Asia/Tokyo'))
  expect(readdirSync(etc).toSorted()).toEqual(['localtime', 'timezone'])
})

test('what a killed agent left half-way does not disturb', () => {
  symlinkSync('/no/such/zone', join(etc, 'localtime.ostler'))
  expect(set('Asia/Tokyo')).toBeUndefined()
  expect(readdirSync(etc).toSorted()).toEqual(['localtime', 'timezone'])
})

test('a zone that is set already is not set again', () => {
  set('Asia/Tokyo')
  writeFileSync(join(etc, 'timezone'), 'ours\n')
  expect(set('Asia/Tokyo')).toBeUndefined()
  expect(readFileSync(join(etc, 'timezone'), 'utf8')).toBe('ours\n')
})

describe('a warning, and nothing changed, is all that comes of', () => {
  test.each([
    'Europe/Atlantis',
    'Europe',
    'leapseconds',
    'zone.tab',
    '',
    '.',
    '../../../etc/passwd',
    `..${ZONES}-of-mine/x`,
    'UTC/x',
    'a\0b',
  ])('"%s"', (zone) => {
    expect(set(zone)).toBe(`this desktop does not know the time zone ${zone}`)
    expect(readdirSync(etc)).toEqual([])
  })

  test('a zone outside of the folder of zones', () => {
    const zones = join(etc, 'zones')
    const outside = join(etc, 'zones-of-mine', 'Home')
    mkdirSync(zones)
    mkdirSync(dirname(outside))
    copyFileSync(join(ZONES, 'UTC'), outside)
    expect(setTimeZone('../zones-of-mine/Home', { zones, etc })).toContain('does not know')
  })

  test('a folder that cannot be written to', () => {
    const missing = join(etc, 'missing')
    expect(setTimeZone('Asia/Tokyo', { zones: ZONES, etc: missing })).toMatch(
      /^the time zone Asia\/Tokyo could not be set: ENOENT/,
    )
  })
})
