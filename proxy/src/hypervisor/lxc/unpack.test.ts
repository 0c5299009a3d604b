import { Fault } from '@ostler/contract/fault.ts'
import { run } from '@ostler/kit/run.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tarballImage } from './tarball-image.ts'

const scope = new Scope()
let folder: string
let images: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-unpack-'))
  scope.defer(() => rmSync(folder, { recursive: true, force: true }))
  images = join(folder, 'images')
  mkdirSync(images)
  const system = join(folder, 'system')
  mkdirSync(join(system, 'sbin'), { recursive: true })
  mkdirSync(join(system, 'home/ann'), { recursive: true })
  writeFileSync(join(system, 'sbin/su'), 'lends')
  chmodSync(join(system, 'sbin/su'), 0o4755)
  writeFileSync(join(system, 'home/ann/notes'), randomBytes(300_000), { mode: 0o600 })
  for (const path of ['home/ann', 'home/ann/notes']) chownSync(join(system, path), 1000, 1001)
  utimesSync(join(system, 'home/ann/notes'), 1_000_000_000, 1_000_000_000)
  symlinkSync('/sbin/su', join(system, 'home/ann/link'))
  await run('tar', ['--create', '--file', join(folder, 'system.tar'), '--directory', system, '.'])
  await run('gensquashfs', ['--quiet', '--keep-time', '--pack-dir', system, join(folder, 'system.squashfs')])
})
afterAll(() => scope.close())

describe.each(['system.tar', 'system.squashfs'])('%s', (archive) => {
  test('keeps owners, permissions, times and links', async () => {
    const unpacked = await tarballImage(images, { name: 'image', path: join(folder, archive) })
    expect(statSync(join(unpacked, 'sbin/su')).mode & 0o7777).toBe(0o4755)
    expect(lstatSync(join(unpacked, 'home/ann/link')).isSymbolicLink()).toBe(true)
    const notes = statSync(join(unpacked, 'home/ann/notes'))
    expect(notes).toMatchObject({ uid: 1000, gid: 1001, size: 300_000, mtimeMs: 1e12 })
  })

  test('that was cut off is a fault, and nothing half-unpacked is left', async () => {
    const broken = join(folder, `broken-${archive}`)
    await run('cp', [join(folder, archive), broken])
    truncateSync(broken, Math.floor(statSync(broken).size / 2))
    const before = readdirSync(images)
    const outcome = await tarballImage(images, { name: 'broken', path: broken }).catch(
      (error: unknown) => error,
    )
    expect(outcome).toBeInstanceOf(Fault)
    expect((outcome as Fault).code).toBe('image.unusable')
    expect(readdirSync(images)).toEqual(before)
  })
})
