import { expect } from 'vitest'
import {
  shiftProbe,
  stageCommand,
  stagePlaces,
  type StageParts,
} from '../../proxy/src/hypervisor/lxc/stage.ts'
import { test } from './guest-test.ts'

const ROOT = '/srv/stage-test'
const USERS = { first: 655_360_000, count: 65_536 }
const PARTS: StageParts = {
  folder: `${ROOT}/stage`,
  users: USERS,
  image: `${ROOT}/image`,
  upper: `${ROOT}/overlay/upper`,
  work: `${ROOT}/overlay/work`,
  home: `${ROOT}/home`,
  homes: `${ROOT}/homes`,
  display: `${ROOT}/display`,
  boot: `${ROOT}/boot`,
  bundle: undefined,
  usr: '/usr',
}
const PLACES = stagePlaces(PARTS)
/** A program as the guest's root, whom the node knows as nobody. */
const AS_ROOT = ['setpriv', `--reuid=${USERS.first}`, `--regid=${USERS.first}`, '--clear-groups']

test.beforeAll(async ({ guest }) => {
  for (const path of [
    'image/etc',
    'overlay/upper',
    'overlay/work',
    'home',
    'display',
    'boot',
    'stage',
    'memory',
  ])
    await guest.must(['mkdir', '-p', `${ROOT}/${path}`])
  await guest.must(['tee', `${ROOT}/image/etc/secret`], { input: 'of the image\n' })
  await guest.must(['tee', `${ROOT}/outside`], { input: 'of the node\n' })
  await guest.must(['chmod', '600', `${ROOT}/image/etc/secret`, `${ROOT}/outside`])
})

test.afterAll(async ({ guest }) => {
  await guest.must(['rm', '-rf', ROOT])
})

test('on the kernel of Debian 12 a guest’s root changes the image above it, and on the disk it is root', async ({
  guest,
}) => {
  const script = [
    `cat ${PLACES.root}/etc/secret`,
    `echo changed >> ${PLACES.root}/etc/secret`,
    `echo made > ${PLACES.root}/etc/made`,
    `rm ${PLACES.root}/etc/made && mkdir ${PLACES.root}/etc/made`,
    `echo hers > ${PLACES.home}/hers`,
    `stat --format=%u ${PLACES.usr ?? ''}/bin/su`,
  ].join(' && ')
  const inside = await guest.must(stageCommand(PARTS, [...AS_ROOT, 'sh', '-c', script]))
  expect(inside).toBe(`of the image\n${USERS.first}`)
  const files = ['overlay/upper/etc/secret', 'overlay/upper/etc/made', 'home/hers'].map(
    (name) => `${ROOT}/${name}`,
  )
  expect(await guest.must(['stat', '--format=%u %g', ...files])).toBe('0 0\n0 0\n0 0')
  expect(await guest.must(['cat', `${ROOT}/image/etc/secret`])).toBe('of the image')
})

test('root of a guest reads nothing of root of the node', async ({ guest }) => {
  const { code, stderr } = await guest.run(stageCommand(PARTS, [...AS_ROOT, 'cat', `${ROOT}/outside`]))
  expect([code, stderr]).toEqual([1, expect.stringContaining('Permission denied')])
})

test('nothing of a stage is left when its program has ended', async ({ guest }) => {
  await guest.must(stageCommand(PARTS, ['true']))
  expect(await guest.must(['cat', '/proc/self/mountinfo'])).not.toContain(PARTS.folder)
  expect(await guest.must(['ls', '-A', PARTS.folder])).toBe('')
})

test('a folder on the disk can be seen with other owners, one in memory only by later kernels', async ({
  guest,
}) => {
  expect((await guest.run(shiftProbe(PARTS.display, PARTS.folder, USERS))).code).toBe(0)
  const [, major = '', minor = ''] = /^(\d+)\.(\d+)/.exec(await guest.must(['uname', '-r'])) ?? []
  const isLater = Number(major) > 6 || (Number(major) === 6 && Number(minor) >= 3)
  expect((await guest.run(shiftProbe(PARTS.folder, PARTS.folder, USERS))).code === 0).toBe(isLater)
})
