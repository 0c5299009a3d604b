import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { adminApiTypes } from '../../scripts/admin-api-types.ts'
import { apiPage } from '../../scripts/api-page.ts'
import { metricsPage } from '../../scripts/metrics-page.ts'
import { nodeConfPage } from '../../scripts/node-conf-page.ts'
import { qaPage } from '../../scripts/qa-page.ts'
import { recipePage } from '../../scripts/recipe-page.ts'
import { statesPage } from '../../scripts/states-page.ts'
import { troubleshootingPage } from '../../scripts/troubleshooting-page.ts'
import { clientConfPage } from '../../scripts/client-conf-page.ts'
import { vmaConfPage } from '../../scripts/vma-conf-page.ts'

test.each([
  ['states.md', statesPage],
  ['vma.conf.md', vmaConfPage],
  ['client.conf.md', clientConfPage],
  ['node.conf.md', nodeConfPage],
  ['metrics.md', metricsPage],
  ['api-routes.md', apiPage],
  ['qa-commands.md', qaPage],
  ['recipe.conf.md', recipePage],
  ['troubleshooting.md', troubleshootingPage],
])('docs/%s is printed from the tables (npm run docs)', async (page, print) => {
  expect(readFileSync(join(import.meta.dirname, '../../docs', page), 'utf8')).toBe(await print())
})

test('the pages’ own types of the api are printed from its OpenAPI document (npm run docs)', async () => {
  const file = join(import.meta.dirname, '../../web/src/admin/api-types.ts')
  expect(readFileSync(file, 'utf8')).toBe(await adminApiTypes())
})
