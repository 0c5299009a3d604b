import { expect, test } from 'vitest'
import { firstError } from './lxc-log.ts'

const LOG = `lxc-start d1 20261121131946.114 WARN     cgfsng - ../src/lxc/cgroups/cgfsng.c:x:1 - odd - but fine
lxc-start d1 20261121131946.115 ERROR    conf - ../src/lxc/conf.c:lxc_pivot_root:1451 - Invalid argument - Failed to pivot into new root
lxc-start d1 20261121131946.116 ERROR    start - ../src/lxc/start.c:do_start:1273 - Failed to setup container "d1"
`

test('the first error is the cause', () => {
  expect(firstError(LOG)).toBe('Invalid argument - Failed to pivot into new root')
})

test('warnings are none', () => {
  expect(firstError(LOG.split('\n')[0] ?? '')).toBeUndefined()
})
