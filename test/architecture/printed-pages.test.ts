import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { metricsPage } from '../../scripts/metrics-page.ts'
import { nodeConfPage } from '../../scripts/node-conf-page.ts'
import { statesPage } from '../../scripts/states-page.ts'
import { vmaConfPage } from '../../scripts/vma-conf-page.ts'

test.each([
  ['states.md', statesPage],
  ['vma.conf.md', vmaConfPage],
  ['node.conf.md', nodeConfPage],
  ['metrics.md', metricsPage],
])('docs/%s is printed from the tables (npm run docs)', async (page, print) => {
  expect(readFileSync(join(import.meta.dirname, '../../docs', page), 'utf8')).toBe(await print())
})
