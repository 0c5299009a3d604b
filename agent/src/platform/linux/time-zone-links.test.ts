import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { setTimeZone, type TimeZonePlaces } from './time-zone.ts'

let folder: string
let places: TimeZonePlaces

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-zone-'))
  places = { zones: join(folder, 'zones'), etc: join(folder, 'etc') }
  mkdirSync(join(places.zones, 'Asia'), { recursive: true })
  mkdirSync(places.etc)
  writeFileSync(join(places.zones, 'Asia/Tokyo'), 'TZif2')
  writeFileSync(join(places.zones, 'leapseconds'), '# no zone')
  writeFileSync(join(folder, 'secret'), 'TZif2')
  symlinkSync('Asia/Tokyo', join(places.zones, 'Japan'))
  symlinkSync(join(places.etc, 'localtime'), join(places.zones, 'localtime'))
  symlinkSync(join(places.zones, 'Asia/Tokyo'), join(places.etc, 'localtime'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const current = (): string => readlinkSync(join(places.etc, 'localtime'))

test('sets a zone, also by its other name', () => {
  rmSync(join(places.etc, 'localtime'))
  expect(setTimeZone('Japan', places)).toBeUndefined()
  expect(current()).toBe(join(places.zones, 'Asia/Tokyo'))
  expect(readFileSync(join(places.etc, 'timezone'), 'utf8')).toBe('Asia/Tokyo\n')
})

test('the zone that leads to what is set changes nothing', () => {
  expect(setTimeZone('localtime', places)).toBeUndefined()
  expect(current()).toBe(join(places.zones, 'Asia/Tokyo'))
})

test('a zone that leads elsewhere, or to itself, is none', () => {
  symlinkSync(join(folder, 'secret'), join(places.zones, 'elsewhere'))
  expect(setTimeZone('elsewhere', places)).toMatch(/does not know/)
  rmSync(join(places.etc, 'localtime'))
  symlinkSync(join(places.zones, 'localtime'), join(places.etc, 'localtime'))
  expect(setTimeZone('localtime', places)).toMatch(/does not know/)
  expect(setTimeZone('Asia/Tokyo', places)).toBeUndefined()
  expect(current()).toBe(join(places.zones, 'Asia/Tokyo'))
})

test.each(['leapseconds', 'Asia', '../secret', 'Mars/Olympus'])('refuses %s, which is no zone', (zone) => {
  expect(setTimeZone(zone, places)).toBe(`this desktop does not know the time zone ${zone}`)
  expect(current()).toBe(join(places.zones, 'Asia/Tokyo'))
})
