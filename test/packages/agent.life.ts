import { run } from '@ostler/kit/run.ts'
import { mkdtempSync, readdirSync, rmSync, copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openRfb } from '../fixtures/door.ts'
import { startWorld, until, type World } from '../fixtures/world.ts'
import { buildPackages } from './built.ts'
import { copyOf, FOR_DESKTOP, keptSystem } from './system.ts'

const SUITES = ['bullseye', 'bookworm', 'trixie', 'focal', 'jammy', 'noble'] as const
const INSTALL_MS = 240_000
/** A system that does not hear a halt is killed after forty seconds. */
const STOP_MS = 120_000

let world: World
let folder: string

beforeAll(async () => {
  folder = mkdtempSync('/var/tmp/ostler-agent-life-')
  await buildPackages(folder, { only: ['ostler-vma'] })
  world = await startWorld()
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

function agentPackage(): string {
  return join(folder, readdirSync(folder).find((entry) => entry.endsWith('.deb')) ?? '')
}

test.each(SUITES)('%s with the package is a disk image, and removed it leaves nothing', async (suite) => {
  const image = join(folder, suite)
  await copyOf(await keptSystem({ kind: 'desktop', suite, packages: FOR_DESKTOP, ready: [] }), image)
  const inside = async (argv: readonly string[]): Promise<string> =>
    (await run('chroot', [image, ...argv], { timeoutMs: INSTALL_MS })).stdout
  copyFileSync(agentPackage(), join(image, 'root/ostler-vma.deb'))
  await inside(['dpkg', '--install', '/root/ostler-vma.deb'])
  expect(await inside(['ostler-vma', '--version'])).toMatch(/^\d+\.\d+\.\d+\n$/)

  await world.qa(`osf add name=${suite} memory=1024`)
  await world.qa(`di add name=${suite} osf=${suite} kind=directory path=${image}`)
  const id = await world.addUser(suite, suite)
  const client = await openRfb(world, suite, id)
  expect(await client.greeting).toMatch(/^RFB/)
  expect(world.processOf(id, '/usr/lib/ostler-vma/vma.cjs')).toBeGreaterThan(0)
  client.close()

  await world.qa(`vm stop -f name=${suite}`)
  await until('the desktop to be stopped', async () => (await world.vm(suite)).state === 'stopped', STOP_MS)
  await inside(['dpkg', '--purge', 'ostler-vma'])
  expect(await inside(['find', '/', '-xdev', '-name', '*ostler*', '-not', '-path', '/root/*'])).toBe('')
  rmSync(image, { recursive: true })
})
