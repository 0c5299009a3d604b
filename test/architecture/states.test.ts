import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { statesPage } from '../../scripts/states-page.ts'

test('docs/states.md is printed from the tables (npm run docs)', () => {
  expect(readFileSync(join(import.meta.dirname, '../../docs/states.md'), 'utf8')).toBe(statesPage())
})
