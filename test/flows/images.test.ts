import { run } from '@ostler/kit/run.ts'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openRfb } from '../fixtures/door.ts'
import { startWorld, until, type World } from '../fixtures/world.ts'

/** A real Debian with what an image must bring (docs/node.md), made as an image builder would make it. */
const PACKAGES = 'nxagent,nxproxy,xinit,xvfb,xterm,x11vnc,x11-xkb-utils,xkb-data,fonts-dejavu-core'
const SOURCES = ['/etc/apt/sources.list', '/etc/apt/sources.list.d/debian.sources']

let world: World
let folder: string
let tarball: string

beforeAll(async () => {
  folder = mkdtempSync('/var/tmp/ostler-image-')
  tarball = join(folder, 'desktop.tar')
  const hook = join(folder, 'hook')
  const config = join(folder, 'vma.conf')
  writeFileSync(hook, '#!/bin/sh\necho "hello $2"\n', { mode: 0o755 })
  const settings = [
    'command.x-session = /usr/bin/xterm',
    'vma.on_action.connect = /etc/ostler/hook',
    'vma.on_action.expire = /etc/ostler/hook',
  ]
  writeFileSync(config, settings.join('\n') + '\n')
  const session = `mkdir -p "$1/etc/ostler" && cp ${hook} ${config} "$1/etc/ostler/"`
  await run(
    'mmdebstrap',
    [
      '--quiet',
      '--variant=minbase',
      `--include=${PACKAGES}`,
      `--customize-hook=${session}`,
      'bookworm',
      tarball,
      ...SOURCES.filter((source) => existsSync(source)),
    ],
    { timeoutMs: 600_000, env: process.env },
  )
  world = await startWorld()
}, 700_000)
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

async function addImage(name: string, kind: string, path: string): Promise<number> {
  await world.qa(`osf add name=${name} memory=512`)
  await world.qa(`di add name=${name} osf=${name} kind=${kind} path=${path}`)
  return await world.addUser(name, name)
}

test('a tarball is unpacked once and becomes a desktop', async () => {
  const id = await addImage('tarball', 'tarball', tarball)
  const client = await openRfb(world, 'tarball', id)
  expect(await client.greeting).toMatch(/^RFB/)
  expect(await world.inside(id, ['cat', '/etc/debian_version'])).toMatch(/^12\./)
  expect(world.processOf(id, 'xterm')).toBeGreaterThan(0)
  // The image's own hook ran, and the administrator sees it.
  expect(await world.qa('vm explain -f name=tarball')).toMatch(
    /vma\.on_action\.connect +0 +\d+ +hello tarball/,
  )
  client.close()
})

test('when its tag moves, the user is told at the soft time, and the desktop starts anew at the hard one', async () => {
  const id = await addImage('aging', 'tarball', tarball)
  const explain = (): Promise<string> => world.qa('vm explain -f name=aging')
  const client = await openRfb(world, 'aging', id)
  expect(await client.greeting).toMatch(/^RFB/)
  expect(await explain()).toContain('runs the image aging; its tag default stands for aging')

  const added = await world.qa(`di add name=younger osf=aging kind=tarball path=${tarball} version=two`)
  const image = /id (\d+), version two/.exec(added)?.[1] ?? ''
  expect(await explain()).toContain('its tag default stands for aging\n')
  expect(await world.qa(`di tag di_id=${image} tag=default expire-soft=now expire-hard=2099-01-01`)).toMatch(
    /^1 VM have had their expiration dates set \(20.*, 2098-12-31|2099-01-01.*\)!\nDI tagged/,
  )
  await until('the hook of the expiry to have run', async () =>
    /vma\.on_action\.expire +0 +\d+ +hello /.test(await explain()),
  )
  expect(await explain()).toContain('runs the image aging; its tag default stands for younger')
  expect(world.processOf(id, 'xterm')).toBeGreaterThan(0)

  await world.qa('vm edit -f name=aging expire-hard=now')
  await until('the desktop to have started anew', async () => {
    const said = await explain()
    return said.startsWith('aging is running') && said.includes('runs the image younger')
  })
  expect(await explain()).toMatch(/expire +expiry +expired at .*stopped/)
  expect(await explain()).not.toContain('expires:')
  client.close()
}, 60_000)

test('a folder becomes a desktop, whose changes stay in its overlay', async () => {
  const basefs = join(world.node.settings.folder, 'state/storage/basefs')
  const unpacked = readdirSync(basefs).find((name) => name.startsWith('tarball-'))
  const image = join(basefs, unpacked ?? '')
  const id = await addImage('directory', 'directory', image)
  const client = await openRfb(world, 'directory', id)
  expect(await client.greeting).toMatch(/^RFB/)
  await world.inside(id, ['touch', '/etc/written-inside'])
  expect(existsSync(join(image, 'etc/written-inside'))).toBe(false)
  client.close()
})

test('a tarball that is broken fails the start with its reason and leaves nothing half-unpacked', async () => {
  const broken = join(folder, 'broken.tar')
  writeFileSync(broken, 'this is no archive')
  const id = await addImage('broken', 'tarball', broken)
  const client = await openRfb(world, 'broken', id)
  const { code, reason } = await client.closed
  expect([code, reason]).toEqual([4503, expect.stringContaining('the disk image broken cannot be used')])
  const basefs = join(world.node.settings.folder, 'state/storage/basefs')
  const unpacked = readdirSync(basefs).filter((name) => name.startsWith('tarball-'))
  expect(unpacked).toEqual([expect.stringMatching(/^tarball-[0-9a-f]{12}$/)])
})
