import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { filesBelow } from './files-below.ts'

test('files and links are named, folders are not, and no link is gone through', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-files-below-'))
  onTestFinished(() => {
    rmSync(folder, { recursive: true })
  })
  mkdirSync(join(folder, 'tree/etc/empty'), { recursive: true })
  mkdirSync(join(folder, 'elsewhere'))
  for (const name of ['tree/b', 'tree/etc/a', 'elsewhere/secret']) writeFileSync(join(folder, name), '')
  symlinkSync(join(folder, 'elsewhere'), join(folder, 'tree/etc/link'))
  symlinkSync('nowhere', join(folder, 'tree/broken'))
  expect(filesBelow(join(folder, 'tree'))).toEqual(['b', 'broken', 'etc/a', 'etc/link'])
})
