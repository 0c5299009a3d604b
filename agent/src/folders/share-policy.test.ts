import { Fault } from '@ostler/contract/fault.ts'
import { POLICY_PARAMETERS } from '@ostler/contract/session-policy.ts'
import { expect, test } from 'vitest'
import { allowShare } from './share-policy.ts'

const ROOTS = [[POLICY_PARAMETERS.roots, '/media,/home/shared/']] as const
const share = (path?: string) => ({ name: 'x', readOnly: false, ...(path === undefined ? {} : { path }) })

test('where no rule speaks everything is allowed', () => {
  expect(allowShare([], share('/etc'))).toEqual({ readOnly: false })
  expect(allowShare([], { ...share(), readOnly: true })).toEqual({ readOnly: true })
})

test.each(['/media', '/media/', '/media/stick/a', '/home/shared', '/home/shared/../shared/b'])(
  '%s is below a root',
  (path) => {
    expect(allowShare(ROOTS, share(path))).toEqual({ readOnly: false })
  },
)

test.each(['/mediaeval', '/home', '/', '/media/../etc', 'media', undefined])('%s is not', (path) => {
  expect(() => allowShare(ROOTS, share(path))).toThrow(Fault)
})
