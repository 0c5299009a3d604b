import { run } from '@ostler/kit/run.ts'
import fc from 'fast-check'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openImage, openOwnDisk } from './disks.ts'
import { HEADER_BYTES, readQcow2Header } from './qcow2.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-qcow2-'))
const GOOD = join(folder, 'good.qcow2')
const SIZE = 3 * 2 ** 20

async function make(name: string, ...words: string[]): Promise<string> {
  const path = join(folder, name)
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', ...words, path, String(SIZE)])
  return path
}

beforeAll(async () => {
  await make('good.qcow2')
})
afterAll(() => rmSync(folder, { recursive: true }))

/** The good image's first bytes, changed. */
function header(change: (head: Buffer) => void): Buffer {
  const head = readFileSync(GOOD).subarray(0, HEADER_BYTES)
  change(head)
  return head
}

test.each([[], ['-o', 'compat=0.10'], ['-o', 'compression_type=zstd'], ['-o', 'extended_l2=on']])(
  'an image of its own is taken, made with %j',
  async (...options) => {
    const path = await make('own.qcow2', ...options.flat())
    using image = openImage('own', path)
    expect(image.size).toBe(SIZE)
  },
)

describe('an image is refused', () => {
  test('that would read another file of the node below its own', async () => {
    const path = await make('backed.qcow2', '-u', '-b', '/etc/shadow', '-F', 'raw')
    expect(() => openImage('backed', path)).toThrow(
      /backed cannot be used: it has a backing file; flatten it/,
    )
  })

  test('whose data is in another file of the node', async () => {
    const elsewhere = join(folder, 'elsewhere.raw')
    const path = await make('data.qcow2', '-o', `data_file=${elsewhere}`)
    expect(() => openImage('data', path)).toThrow('its data is in another file')
  })

  test('that is of another format, too short, a folder or missing', () => {
    const raw = join(folder, 'raw')
    writeFileSync(raw, Buffer.alloc(SIZE))
    expect(() => openImage('raw', raw)).toThrow('it is no qcow2 image')
    writeFileSync(raw, readFileSync(GOOD).subarray(0, 80))
    expect(() => openImage('short', raw)).toThrow('it is no qcow2 image')
    expect(() => openImage('folder', folder)).toThrow('is no file')
    expect(() => openImage('gone', join(folder, 'gone'))).toThrow(/gone cannot be used: ENOENT/)
  })

  test.each<[string, (head: Buffer) => void]>([
    ['encrypted', (head) => head.writeUInt32BE(2, 32)],
    ['the unknown version 4', (head) => head.writeUInt32BE(4, 4)],
    ['marked as corrupt', (head) => head.writeBigUInt64BE(2n, 72)],
    ['features of a newer QEMU', (head) => head.writeBigUInt64BE(1n << 40n, 72)],
    ['clusters have 2^99', (head) => head.writeUInt32BE(99, 20)],
    ['a disk of 0 bytes', (head) => head.writeBigUInt64BE(0n, 24)],
    ['a disk of 18446744073709551615 bytes', (head) => head.writeBigUInt64BE(2n ** 64n - 1n, 24)],
  ])('that has %s', (words, change) => {
    expect(() => readQcow2Header(header(change))).toThrow(words)
  })

  test('or taken with a sensible size, whatever its header says', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(HEADER_BYTES - 1), fc.nat(255)), { maxLength: 12 }), (changes) => {
        const head = header((bytes) => changes.forEach(([at, value]) => (bytes[at] = value)))
        try {
          const { size } = readQcow2Header(head)
          expect(Number.isSafeInteger(size) && size > 0).toBe(true)
          expect(head.readBigUInt64BE(8)).toBe(0n)
        } catch (error) {
          expect((error as Error).message).toMatch(/^(it|its) /)
        }
      }),
    )
  })
})

test('a link in place of a disk of ours is not followed', async () => {
  const link = join(folder, 'link')
  await run('ln', ['-s', GOOD, link])
  expect(() => openOwnDisk(link)).toThrow(/cannot be used/)
})
