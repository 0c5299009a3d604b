import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { statesPage } from '../../scripts/states-page.ts'
import { vmaConfPage } from '../../scripts/vma-conf-page.ts'

test.each([
  ['states.md', statesPage],
  ['vma.conf.md', vmaConfPage],
])('docs/%s is printed from the tables (npm run docs)', (page, print) => {
  expect(readFileSync(join(import.meta.dirname, '../../docs', page), 'utf8')).toBe(print())
})
