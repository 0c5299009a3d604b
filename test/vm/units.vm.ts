import { expect } from 'vitest'
import { type Bundle, bundleForGuest } from './bundle.ts'
import type { Guest } from './guest.ts'
import { test } from './guest-test.ts'

const ROOT = '/srv/units-test'
const UNIT = 'ostler-hkd-tried'
const GROUPS = '/sys/fs/cgroup'
const DESKTOP = `${GROUPS}/ostler/homes-7`
const PROGRAM_MS = 400_000

let programs: Bundle

/** The words that run `desktop-in-guest.ts`; see there. */
function desktop(what: string): string[] {
  const words = [`--folder=${ROOT}/node`, `--homes=${ROOT}/homefs`, '--shifted']
  return [...programs.command('desktop-in-guest'), what, ...words]
}

/** Waits until the desktop runs and has written to its home; a unit that has ended tells why. */
async function untilBegun(guest: Guest): Promise<void> {
  const begun = `grep -q . ${DESKTOP}/payload/cgroup.procs && test -s ${ROOT}/homefs/ann-1/report`
  const ended = `! systemctl --quiet is-active ${UNIT}`
  const told = `journalctl --no-pager --lines=30 --unit=${UNIT}; ls -lR ${DESKTOP} ${ROOT}/homefs; exit 1`
  const script = `for _ in $(seq 300); do ${begun} && exit 0; ${ended} && break; sleep 0.5; done 2> /dev/null; ${told}`
  await guest.must(['sh', '-c', script], { timeoutMs: PROGRAM_MS })
}

/** The desktop's first process, its limits, and whether its home and its overlay are locked. */
async function lookAt(guest: Guest): Promise<string[]> {
  const limits = ['memory.max', 'cpu.max', 'pids.max'].map((name) => `${DESKTOP}/payload/${name}`)
  const first = await guest.must([
    'sh',
    '-c',
    `head -n 1 ${DESKTOP}/payload/cgroup.procs; cat ${limits.join(' ')}`,
  ])
  const locks = [`${ROOT}/homefs/ann-1.lock`, `${ROOT}/node/overlays/lock.7-overlay`]
  const outcomes = await Promise.all(locks.map((path) => guest.run(['flock', '--nonblock', path, 'true'])))
  return [...first.split('\n'), ...outcomes.map(({ code }) => (code === 1 ? 'locked' : `flock said ${code}`))]
}

test.beforeAll(async ({ guest }) => {
  programs = await bundleForGuest('test-units', ['test/vm/desktop-in-guest.ts'])
  // The container's root, who is nobody here, passes through the first.
  await guest.must(['install', '-d', '-m', '755', ROOT])
  await guest.must(['install', '-d', '-m', '700', `${ROOT}/homefs`])
}, PROGRAM_MS)

test.afterAll(async ({ guest }) => {
  await guest.run(['systemctl', 'kill', '--signal=KILL', UNIT, 'ostler-other'])
  await guest.run(desktop('end'), { timeoutMs: PROGRAM_MS })
  programs[Symbol.dispose]()
  await guest.must(['rm', '-rf', '--one-file-system', ROOT])
}, PROGRAM_MS)

test(
  'under systemd and control groups of version 2 a desktop outlives the unit of hkd, and keeps its limits',
  { timeout: PROGRAM_MS },
  async ({ guest }) => {
    const settings = ['--slice=ostler.slice', '--property=KillMode=mixed', '--property=Delegate=no']
    await guest.must(['systemd-run', `--unit=${UNIT}`, '--collect', ...settings, ...desktop('leave')])
    await untilBegun(guest)
    const before = await lookAt(guest)
    expect(before).toEqual([
      expect.stringMatching(/^\d+$/),
      ...[String(256 * 2 ** 20), '150000 100000', '4096', 'locked', 'locked'],
    ])

    await guest.must(['systemctl', 'stop', UNIT], { timeoutMs: PROGRAM_MS })
    expect(await lookAt(guest)).toEqual(before)

    // systemd looks at all controllers anew: those that only desktops need stay.
    const wants = ['--property=CPUWeight=50', '--property=IOWeight=50', '--property=MemoryMax=64M']
    const other = ['--unit=ostler-other', '--collect', ...wants, 'sleep', '3600']
    await guest.must(['systemd-run', ...other])
    await guest.must(['systemctl', 'daemon-reload'], { timeoutMs: PROGRAM_MS })
    await guest.must(['systemctl', 'daemon-reexec'], { timeoutMs: PROGRAM_MS })
    await guest.must(['systemctl', 'stop', 'ostler-other', 'ostler.slice'], { timeoutMs: PROGRAM_MS })
    expect(await lookAt(guest)).toEqual(before)

    const { found } = JSON.parse(await guest.must(desktop('end'), { timeoutMs: PROGRAM_MS })) as {
      found: string
    }
    expect(found).toBe('present')
    expect((await guest.run(['test', '-e', `${GROUPS}/ostler`])).code).toBe(1)
  },
)
