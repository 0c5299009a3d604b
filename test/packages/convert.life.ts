import { run } from '@ostler/kit/run.ts'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openRfb } from '../fixtures/door.ts'
import { type Typed, typeAll, typedIn } from '../fixtures/guide.ts'
import { GuideRoom } from '../fixtures/guide-room.ts'
import { startWorld, until, type World } from '../fixtures/world.ts'
import { buildPackages } from './built.ts'
import { Machine } from './machine.ts'
import { FOR_DESKTOP, keptSystem } from './system.ts'

/** A machine that people worked on becomes an image, as the guide says it. */
const READY_MS = 240_000

let folder: string
let world: World

beforeAll(async () => {
  folder = mkdtempSync('/var/tmp/ostler-convert-')
  await buildPackages(folder, { only: ['ostler-vma'] })
  world = await startWorld()
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

test('a machine with systemd becomes the image of a desktop, without what made it that machine', async () => {
  const name = `legacy${Date.now() % 1_000_000}`
  const [onIt = '', seal = '', add = ''] = typedIn('convert-machine.md', 'For containers')
  using room = await GuideRoom.open(world, ['ostler-image'])
  expect(await room.type('apt-get install --yes ./ostler-image_*.deb')).toMatchObject({ code: 0 })
  {
    const recipe = { kind: 'desktop', suite: 'bookworm', packages: FOR_DESKTOP, ready: [] } as const
    await using old = await Machine.start(await keptSystem(recipe))
    for (const file of readdirSync(folder)) if (file.endsWith('.deb')) old.bring(join(folder, file))
    // What somebody had put onto it, what it was known by, and where the archive goes.
    writeFileSync(join(old.files, 'usr/local/bin/ours'), '#!/bin/sh\necho ours\n', { mode: 0o755 })
    mkdirSync(join(old.files, 'etc/ssh'), { recursive: true })
    writeFileSync(join(old.files, 'etc/ssh/ssh_host_rsa_key'), 'private')
    writeFileSync(join(old.files, 'etc/fstab'), 'UUID=1 / ext4 defaults 0 1\n')
    mkdirSync(join(old.files, 'media/usb'), { recursive: true })
    await typeAll((block) => typeOnIt(old, block), [onIt])
    copyFileSync(join(old.files, 'media/usb/legacy.tar.gz'), room.path('legacy.tar.gz'))
  }
  await typeAll((block) => room.type(block.replaceAll('legacy-1.tar', `${name}.tar`)), [seal])
  await typeAll(
    (block) =>
      room.type(block.replaceAll(/=legacy\b(?!-)/g, `=${name}`).replace('legacy-1.tar', `${name}.tar`)),
    [add],
  )
  await until('the image to be copied', async () => /\bready\b/.test(await imageLine(name)), READY_MS)

  const id = await world.addUser(name, name)
  const client = await openRfb(world, name, id)
  expect(await client.greeting).toMatch(/^RFB/)
  client.close()
  // It has an init of its own: where its agent is, it is.
  const agent = String(world.processOf(id, '/usr/lib/ostler-vma/vma.cjs'))
  const inside = async (argv: readonly string[]): Promise<string> =>
    (await run('nsenter', ['--target', agent, '--all', '--', ...argv])).stdout
  expect(await inside(['/usr/local/bin/ours'])).toBe('ours\n')
  const gone = 'ls /etc/fstab /etc/ssh/ssh_host_rsa_key 2>/dev/null || true'
  expect(await inside(['sh', '-c', gone])).toBe('')
})

/** A machine that runs writes its logs, which the guide has said. */
async function typeOnIt(old: Machine, block: string): Promise<Typed> {
  const typed = await old.type(block)
  const isLive = typed.code === 1 && /^tar: .*: file changed as we read it$/m.test(typed.said)
  return isLive ? { ...typed, code: 0 } : typed
}

async function imageLine(name: string): Promise<string> {
  const lines = (await world.qa('di list')).split('\n')
  return lines.find((line) => line.includes(name)) ?? ''
}

test('disks become images of machines by the commands of the guide', async () => {
  using room = await GuideRoom.open(world)
  const make = 'qemu-img create -f raw disk 8M; qemu-img convert -O vmdk disk legacy.vmdk'
  expect(await room.type(make)).toMatchObject({ code: 0 })
  const lines = typedIn('convert-machine.md', 'For virtual machines').flatMap((block) =>
    block.trim().split('\n'),
  )
  await typeAll(
    (line) =>
      room.type(`${line.replace('/dev/sdX', 'disk')}\nqemu-img check -q legacy.qcow2\nrm legacy.qcow2`),
    lines,
  )
})
