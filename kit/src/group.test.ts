import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { findGroup } from './group.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-group-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('a group is found by its whole name, and never by what is no number', () => {
  const file = join(folder, 'group')
  writeFileSync(file, 'root:x:0:\nadmins:x:12:ann,bob\nbroken:x::\n')
  expect(findGroup('admins', file)).toBe(12)
  expect(findGroup('admin', file)).toBeUndefined()
  expect(findGroup('broken', file)).toBeUndefined()
  expect(findGroup('root')).toBe(0)
})
