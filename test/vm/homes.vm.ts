import { expect } from 'vitest'
import { type Bundle, bundleForGuest } from './bundle.ts'
import type { Guest } from './guest.ts'
import { test } from './guest-test.ts'

const ROOT = '/srv/homes-test'
/** What the server gives out: to a root that it trusts, and to one that it does not. */
const SERVED = { trusting: `${ROOT}/trusting`, squashing: `${ROOT}/squashing` } as const
const SERVER = '127.0.0.1'
const CLIENT = `${ROOT}/mounted`
const QUOTA = `${ROOT}/quota`
const PROGRAM_MS = 400_000

let programs: Bundle

/** Runs `desktop-in-guest.ts`; see there. */
async function homes(guest: Guest, what: string, ...words: string[]): Promise<Record<string, unknown>> {
  const folder = `${ROOT}/node`
  try {
    const said = await guest.must(
      [...programs.command('desktop-in-guest'), what, `--folder=${folder}`, ...words],
      { timeoutMs: PROGRAM_MS },
    )
    return JSON.parse(said) as Record<string, unknown>
  } finally {
    await guest.must(['rm', '-rf', '--one-file-system', folder])
  }
}

async function mount(guest: Guest, what: keyof typeof SERVED): Promise<void> {
  await guest.must(['mount', '-t', 'nfs4', '-o', 'hard', `${SERVER}:${SERVED[what]}`, `${CLIENT}/${what}`])
}

test.beforeAll(async ({ guest }) => {
  programs = await bundleForGuest('test-homes', ['test/vm/desktop-in-guest.ts'])
  for (const name of ['trusting', 'squashing'] as const) {
    await guest.must(['mkdir', '--parents', `${CLIENT}/${name}`])
    await guest.must(['install', '-d', '-m', '700', SERVED[name], `${SERVED[name]}/homefs`])
    const trust = name === 'trusting' ? 'no_root_squash' : 'root_squash'
    await guest.must(['exportfs', '-o', `rw,${trust},no_subtree_check`, `${SERVER}:${SERVED[name]}`])
  }
  // The server's root squashed is nobody, who must come as far as the folder of the homes.
  await guest.must(['chmod', '711', SERVED.squashing])
}, PROGRAM_MS)

test.afterAll(async ({ guest }) => {
  programs[Symbol.dispose]()
  await guest.run(['sh', '-c', `umount --recursive ${CLIENT}/* ${QUOTA}`])
  for (const path of Object.values(SERVED)) await guest.must(['exportfs', '-u', `${SERVER}:${path}`])
  await guest.must(['rm', '-rf', '--one-file-system', ROOT])
}, PROGRAM_MS)

test(
  'a home with a size lies on NFS: its desktop is told that there is no space',
  { timeout: PROGRAM_MS },
  async ({ guest }) => {
    await mount(guest, 'trusting')
    const words = [`--homes=${CLIENT}/trusting/homefs`, '--size=24', '--writes=64', '--shifted']
    expect(await homes(guest, 'start', ...words)).toEqual({
      said: "dd: error writing '/home/big': No space left on device",
      megabytes: expect.closeTo(20, -1) as number,
      left: [],
    })
    expect(await guest.must(['ls', `${SERVED.trusting}/homefs`])).toBe('ann-1.img\nann-1.img.lock')
  },
)

test(
  'a home that is a directory lies on NFS where users are not shifted, and else the cure is said',
  { timeout: PROGRAM_MS },
  async ({ guest }) => {
    const words = ['--user=eva', `--homes=${CLIENT}/trusting/homefs`]
    const { fault } = await homes(guest, 'start', ...words, '--shifted')
    expect(fault).toMatch(/eva-1 cannot be shown with other owners .*vm\.lxc\.userns = 0/)
    expect(await homes(guest, 'start', ...words, '--made')).toMatchObject({
      said: '8+0 records in',
      left: [],
    })
    expect(await guest.must(['stat', '--format=%s %u', `${SERVED.trusting}/homefs/eva-1/big`])).toBe(
      `${8 * 2 ** 20} 0`,
    )
  },
)

test('a server that squashes root is refused with its cure', async ({ guest }) => {
  await mount(guest, 'squashing')
  const { told } = await homes(guest, 'prepare', `--homes=${CLIENT}/squashing/homefs`)
  expect(told).toMatch(/^storage\.permissions: .*squashing\/homefs .*hkd may not write there \(EACCES\)/)
})

test(
  'while the server is away nothing waits for it, and then all goes on',
  { timeout: PROGRAM_MS },
  async ({ guest }) => {
    const words = [`--homes=${CLIENT}/trusting/homefs`, `--overlays=${CLIENT}/trusting/overlays`, '--size=16']
    const path = `${CLIENT}/trusting`
    const silent = (name: string): unknown =>
      expect.stringMatching(`^storage\\.silent: the storage folder ${path}/${name} has not answered for 5 s`)
    expect(await homes(guest, 'away', '--user=joe', ...words)).toEqual({
      told: [silent('homefs'), silent('homefs')],
      turned: true,
      held: 'the storage does not answer',
      read: 'done',
      heldAfter: 'nothing',
      after: ['done', 'done'],
      left: [],
    })
  },
)

test(
  'a quota of a project holds for the desktop whose home it is, and for no other',
  { timeout: PROGRAM_MS },
  async ({ guest }) => {
    const disk = `${ROOT}/quota.img`
    await guest.must(['truncate', '--size=256M', disk])
    await guest.must(['mkfs.ext4', '-q', '-O', 'quota,project', '-E', 'quotatype=prjquota', disk])
    await guest.must(['mkdir', QUOTA])
    await guest.must(['mount', '-o', 'loop,prjquota', disk, QUOTA])
    await guest.must(['install', '-d', '-m', '700', `${QUOTA}/homefs`, `${QUOTA}/homefs/ann-1`])
    await guest.must(['chmod', '755', `${QUOTA}/homefs/ann-1`])
    await guest.must(['chattr', '-p', '7', '+P', `${QUOTA}/homefs/ann-1`])
    await guest.must(['setquota', '-P', '7', '0', String(16 * 1024), '0', '0', QUOTA])
    const words = [`--homes=${QUOTA}/homefs`, '--shifted', '--writes=64']
    expect(await homes(guest, 'start', ...words, '--user=ann', '--made')).toMatchObject({
      said: "dd: error writing '/home/big': Disk quota exceeded",
      megabytes: 16,
    })
    expect(await homes(guest, 'start', ...words, '--user=bob')).toMatchObject({ said: '64+0 records in' })
  },
)
