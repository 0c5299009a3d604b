import { expect } from 'vitest'
import { diskLimits } from '../../proxy/src/hypervisor/disk-limits.ts'
import { test } from './guest-test.ts'

/** Runs a piece of the project, with Node, in the guest. */
function script(lines: readonly string[]): string[] {
  // What Node links against lies beside the agent's bundle: the guest has it nowhere else.
  const libraries = 'LD_LIBRARY_PATH=/project/build/agent'
  return [
    'env',
    libraries,
    '/project/node_modules/.bin/node',
    '--input-type=module',
    '--eval',
    lines.join('\n'),
  ]
}

test('a home in a file grows while it is mounted', async ({ guest }) => {
  const from = '/project/proxy/src/hypervisor/homes/home-image.ts'
  const [file, mount] = ['/srv/home.img', '/srv/home']
  await guest.must(['truncate', '--size=16M', file])
  const said = await guest.must(
    script([
      `import { makeHomeImage, mountHomeImage, growMountedHome, unmountHomeImage } from '${from}'`,
      "import { statfsSync } from 'node:fs'",
      'const megabytes = () => { const { blocks, bsize } = statfsSync("/srv/home"); return Math.round(blocks * bsize / 2 ** 20) }',
      `await makeHomeImage('${file}')`,
      `await mountHomeImage('${file}', '${mount}', 16)`,
      'const before = megabytes()',
      `const grown = await growMountedHome('${file}', 64)`,
      'const after = megabytes()',
      `await unmountHomeImage('${file}', '${mount}')`,
      'console.log(JSON.stringify({ grown, before, after }))',
    ]),
  )
  await guest.must(['rm', '-rf', file, mount])
  const { grown, before, after } = JSON.parse(said) as { grown: boolean; before: number; after: number }
  expect([grown, before < 16, after > 48]).toEqual([true, true, true])
})

test('control groups of version 2 limit what is written through the page cache, too', async ({ guest }) => {
  const group = '/sys/fs/cgroup/ostler-limits'
  const at = (await guest.must(['findmnt', '--noheadings', '--output', 'MAJ:MIN', '--target', '/srv'])).trim()
  // A partition has its whole disk above it.
  const whole = await guest.must([
    'bash',
    '-c',
    `cd -P /sys/dev/block/${at} && if [ -e partition ]; then cat ../dev; else cat dev; fi`,
  ])
  const [limit] = diskLimits(2, { iops: null, kbytes: 1024 }, [whole])
  const steps = [
    // Writing is counted for whoever wrote into the cache where memory is counted, too.
    'echo "+io +memory" > /sys/fs/cgroup/cgroup.subtree_control',
    `mkdir -p ${group}`,
    `echo "${limit?.[1] ?? ''}" > ${group}/${limit?.[0] ?? ''}`,
    `(echo $BASHPID > ${group}/cgroup.procs; exec dd if=/dev/zero of=/srv/big bs=64k count=48 conv=fsync)`,
  ]
  const began = performance.now()
  await guest.must(['bash', '-c', steps.join(' && ')])
  expect(performance.now() - began).toBeGreaterThan(2_000)
  await guest.must(['rm', '/srv/big'])
  await guest.must(['rmdir', group])
})
