import { openApi } from '@ostler/proxy/api/openapi.ts'
import { adminRouteTable } from '@ostler/proxy/api/routes.ts'
import { expect, test } from 'vitest'
import { adminParts } from '../fixtures/admin-api.ts'

const table = adminRouteTable(adminParts({ as: () => undefined } as never))
const document = openApi(table) as {
  paths: Record<string, Record<string, { operationId: string; parameters: { name: string; in: string }[] }>>
}

test.each(table)('$method $path stands in the document with its parts and its permission', (route) => {
  const operation = document.paths[route.path.replaceAll(/:(\w+)/g, '{$1}')]?.[route.method]
  expect(operation).toMatchObject({
    summary: route.summary,
    'x-permission': route.needs,
    responses: {
      [route.status]: { content: { 'application/json': { schema: expect.any(Object) as unknown } } },
    },
  })
  const parts = operation?.parameters.filter((each) => each.in === 'path').map(({ name }) => name)
  expect(parts).toEqual([...route.path.matchAll(/:(\w+)/g)].map(([, name]) => name))
  const takes = route.body !== undefined || route.octets !== undefined
  expect('requestBody' in (operation ?? {})).toBe(takes)
})

test('the document has nothing else, and no two operations of one name', () => {
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path))
  expect(operations).toHaveLength(table.length)
  expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(table.length)
})

test('every route that changes something says so by its permission', () => {
  const changing = table.filter(({ method, changesNothing }) => method !== 'get' && changesNothing !== true)
  expect(
    changing.filter(({ needs }) => needs !== 'nobody' && needs.endsWith('.see')).map(({ path }) => path),
  ).toEqual([])
})

test('every word that says something is text with an end', () => {
  expect(table.filter(({ summary }) => !/^[A-Z].*\.$/s.test(summary)).map(({ path }) => path)).toEqual([])
})
