import { expect, test } from 'vitest'
import { type Holder, holderUri, pskIdentity, roleOf } from './identity.ts'

const HOLDERS: readonly Holder[] = [{ role: 'hkd' }, { role: 'l7r' }, { role: 'vma', desktop: 12, epoch: 3 }]

test.each(HOLDERS)('the role of $role is read from its certificate', (holder) => {
  expect(roleOf(`URI:${holderUri(holder)}`)).toBe(holder.role)
})

test('an agent is another holder in every boot of every desktop', () => {
  const uris = [1, 2, 12].flatMap((desktop) =>
    [1, 2, 21].map((epoch) => holderUri({ role: 'vma', desktop, epoch })),
  )
  expect(new Set(uris).size).toBe(9)
})

test.each([
  undefined,
  '',
  'URI:ostler://root',
  'URI:ostler://vma/1',
  'URI:ostler://vma/1/x',
  'URI:ostler://hkd.evil',
  'URI:http://hkd',
  'DNS:hkd',
  'URI:ostler://hkd, URI:ostler://l7r',
  'DNS:x, URI:ostler://hkd',
  'URI:ostler://hkd\n',
])('%j is nobody of ours', (name) => {
  expect(roleOf(name)).toBeUndefined()
})

test('a boot has a pre-shared key identity of its own', () => {
  expect(pskIdentity(12, 3)).not.toBe(pskIdentity(1, 23))
})
