import { run, RunError } from '@ostler/kit/run.ts'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../fixtures/world.ts'

const ROOT = join(import.meta.dirname, '../..')
const FOLDER = '/var/lib/ostler-demo'

let lab: string
beforeAll(() => {
  lab = mkdtempSync(join(tmpdir(), 'ostler-start-'))
})
afterAll(() => rmSync(lab, { recursive: true, force: true }))

/** Runs a shell command in a mount namespace of its own, in which `prepare` may hide parts of the machine. */
async function inHiddenMachine(
  prepare: string,
  command: string,
): Promise<{ code: number | null; said: string }> {
  const script = `mount --make-rprivate /; ${prepare}; exec ${command}`
  return await run('unshare', ['--mount', 'sh', '-ec', script], { env: { ...process.env }, cwd: ROOT }).then(
    ({ stderr }) => ({ code: 0, said: stderr }),
    (error: unknown) => {
      if (!(error instanceof RunError)) throw error
      return { code: error.exitCode, said: error.stderr }
    },
  )
}

const HKD = `${ROOT}/build/node/node ${ROOT}/build/node/hkd.cjs --config`

describe('hkd says in one sentence why it cannot start, and leaves nothing behind', () => {
  test('without root', async () => {
    const config = join(lab, 'root.conf')
    writeFileSync(config, `path.run = ${lab}/run\npath.state = ${lab}/state\n`)
    // The tree may lie where nobody else can read: the programs are copied to where everybody can.
    await run('cp', [`${ROOT}/build/node/node`, `${ROOT}/build/node/hkd.cjs`, lab])
    await run('chmod', ['755', lab])
    const answer = await inHiddenMachine(
      ':',
      `setpriv --reuid=65534 --clear-groups ${lab}/node ${lab}/hkd.cjs --config ${config}`,
    )
    expect(answer.said).toMatch(
      /^ostler-hkd needs root to make containers and networks\. Start it as root\. \[node\.notRoot\]\n$/,
    )
    expect(answer.code).toBe(77)
    expect(existsSync(`${lab}/run`)).toBe(false)
  })

  test('without overlay file systems in the kernel', async () => {
    const config = join(lab, 'overlay.conf')
    writeFileSync(config, `path.run = ${lab}/run\npath.state = ${lab}/state\n`)
    writeFileSync(`${lab}/filesystems`, 'nodev\tproc\n\text4\n')
    const { code, said } = await inHiddenMachine(
      `mount --bind ${lab}/filesystems /proc/filesystems`,
      `${HKD} ${config}`,
    )
    expect(said).toMatch(/^this kernel has no overlay file system\. .* \[node\.missingFeature\]\n$/)
    expect(code).toBe(69)
    expect(existsSync(`${lab}/run`)).toBe(false)
  })

  test('with a configuration that is wrong in several places', async () => {
    const config = join(lab, 'wrong.conf')
    writeFileSync(config, 'l7r.port = many\npath.run = here\nnonsense\n')
    const { code, said } = await inHiddenMachine(':', `${HKD} ${config}`)
    expect(said).toContain('wrong.conf:1: l7r.port is not a whole number')
    expect(said).toContain('wrong.conf:2: path.run is not an absolute path')
    expect(said).toContain('wrong.conf:3: expected "key = value"')
    expect(code).toBe(78)
  })
})

describe('set-up says what is missing', () => {
  const HIDE = 'mount -t tmpfs none /usr/share/X11'

  test('which packages, when it may not install them', async () => {
    const copy = join(lab, 'tree')
    mkdirSync(join(copy, 'scripts'), { recursive: true })
    await run('cp', [`${ROOT}/scripts/setup.mjs`, join(copy, 'scripts')])
    await run('chmod', ['-R', 'a+rX', lab])
    const { code, said } = await inHiddenMachine(
      HIDE,
      `setpriv --reuid=65534 --clear-groups ${lab}/node ${copy}/scripts/setup.mjs demo`,
    )
    expect(said).toBe(
      'Debian packages are missing. As root: apt-get install --no-install-recommends xkb-data\n',
    )
    expect(code).toBe(1)
  })

  test('that there is no apt', async () => {
    const { code, said } = await inHiddenMachine(
      `${HIDE}; mount --bind /dev/null /usr/bin/apt-get`,
      `${process.execPath} scripts/setup.mjs demo`,
    )
    expect(said).toBe(
      'These programs are missing, and this machine has no apt: xkb-data. Install them by hand.\n',
    )
    expect(code).toBe(1)
  })
})

describe('the demo', () => {
  const demo = () => {
    const child = spawn('node', ['scripts/demo.ts', '--port', '19443'], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
    return { child, said: () => said, ended }
  }
  const traces = (): string[] => [
    ...(existsSync(FOLDER) ? [FOLDER] : []),
    ...(existsSync('/sys/class/net/ostler-demo') ? ['bridge'] : []),
    ...(spawnSync('pgrep', ['-f', 'ostler-demo/']).stdout.length > 0 ? ['processes'] : []),
    ...(readFileSync('/proc/mounts', 'utf8').includes('ostler-demo') ? ['mounts'] : []),
  ]

  test('is up with one command, survives its own kill -9, and removes everything at Ctrl-C', async () => {
    const first = demo()
    await until('the demo', () => first.said().includes('Press Ctrl-C'), 60_000)
    expect(first.said()).toMatch(/In a browser: +https:\/\/127\.0\.0\.1:19443\//)
    expect(first.said()).toMatch(/User: +demo\n +Password: +[\w-]{8}\n/)
    first.child.kill('SIGKILL')
    await first.ended
    expect(traces()).not.toEqual([])

    const second = demo()
    await until('the demo again', () => second.said().includes('Press Ctrl-C'), 60_000)
    expect(second.said()).toContain('removing what an earlier demo left')
    const third = demo()
    expect(await third.ended).toBe(69)
    expect(third.said()).toMatch(/^the demo is already running here as process \d+\./)
    second.child.kill('SIGINT')
    expect(await second.ended).toBe(0)
    expect(traces()).toEqual([])
  })
})
