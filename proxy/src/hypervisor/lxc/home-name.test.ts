import { join } from 'node:path'
import { expect, test } from 'vitest'
import { homeName } from './home-name.ts'

test('homes of the tenant default have the names that they always had', () => {
  expect(homeName('ann', 'default', 7)).toBe('ann-7')
  expect(homeName('Ann.Smith-2_x', 'default', 7)).toBe('Ann.Smith-2_x-7')
})

test('a user of another tenant with the same login has a home of her own', () => {
  expect(homeName('ann', 'acme', 7)).toBe('ann@acme-7')
  expect(homeName('ann', 'Acme & Söhne', 7)).toBe('ann@Acme+20+26+20S+c3b6hne-7')
})

test('no two users share a folder, whatever separators and names are allowed', () => {
  const users = [
    ['ann', 'default'],
    ['ann', 'acme'],
    ['ann@acme', 'default'],
    ['ann+40acme', 'default'],
    ['ann', 'acme-7'],
    ['ann@acme', 'acme'],
    ['ann', 'acme@acme'],
    ['ann', 'DEFAULT'],
    ['ann-7', 'default'],
    ['ann ', 'default'],
  ] as const
  const names = users.flatMap(([login, tenant]) => [7, 77].map((flavour) => homeName(login, tenant, flavour)))
  expect(new Set(names).size).toBe(names.length)
})

test.each([
  ['..', 'default'],
  ['.', 'default'],
  ['../../etc', 'default'],
  ['/etc', 'default'],
  ['ann', '..'],
  ['ann', '/../../etc'],
  ['ann\u0000', 'a\nb'],
  ['ann', 'a:b,c'],
])('the home of %j of the tenant %j stays in its folder', (login, tenant) => {
  const name = homeName(login, tenant, 7)
  expect(name).toMatch(/^[\w.@+-]+-7$/)
  expect(join('/homes', name)).toBe(`/homes/${name}`)
  expect(name).not.toMatch(/^\.\.?$/)
})
