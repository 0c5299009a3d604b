import { run } from '@ostler/kit/run.ts'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keepDevices } from '../hypervisor/kvm-room.ts'
import { startWorld, until, type World } from '../fixtures/world.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'
import { desktopImage, GROUND } from './desktop-image.ts'

/** A point of the desktop that no window covers, and one inside the terminal's. */
const FREE = { x: 900, y: 600 }
const TERMINAL = { x: 300, y: 250 }
const PAPER = '#ffffff'
/** A whole system starts, on an emulated processor at worst. */
const START_MS = 300_000
/** Where the partition of a home begins on its disk. */
const PARTITION = 2 ** 20

let image: string
let devices: Disposable
let world: World
let screen: XScreen

beforeAll(async () => {
  image = await desktopImage()
  devices = keepDevices()
  world = await startWorld()
  screen = world.scope.own(await openScreen())
  await world.qa('osf add name=machine memory=1024 cpus=2 hypervisor=kvm user_storage_size=256')
  await world.qa(`di add name=debian osf=machine kind=qcow2 path=${image}`)
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  devices[Symbol.dispose]()
  rmSync(image, { force: true })
})

/** A file of a home, read from its disk, which nobody has open. */
async function inHome(login: string, path: string): Promise<string> {
  const disk = join(world.node.settings.folder, 'state/storage/homefs', `${login}-2.raw`)
  const { stdout } = await run('debugfs', ['-R', `cat /${login}/${path}`, `${disk}?offset=${PARTITION}`])
  return stdout.trim()
}

test('a native client opens a desktop that is a virtual machine, and finds her programs again', async () => {
  await world.addUser('ann', 'machine')
  const first = screen.connect(world, 'ann')
  await screen.untilPixel(FREE.x, FREE.y, GROUND, START_MS)
  await screen.untilPixel(TERMINAL.x, TERMINAL.y, PAPER, START_MS)
  await screen.typeLine(TERMINAL.x, TERMINAL.y, 'export MARK=kept; echo first > typed.txt; sync')
  await first[Symbol.asyncDispose]()

  const second = screen.connect(world, 'ann')
  await screen.untilPixel(FREE.x, FREE.y, GROUND, START_MS)
  await screen.untilPixel(TERMINAL.x, TERMINAL.y, PAPER, START_MS)
  await screen.typeLine(TERMINAL.x, TERMINAL.y, 'echo $MARK >> typed.txt; sync; xsetroot -solid "#123456"')
  await screen.untilPixel(FREE.x, FREE.y, '#123456', START_MS)
  await second[Symbol.asyncDispose]()

  const emulated = world.node.output('hkd').includes('desktop runs with a warning')
  expect((await world.qa('vm explain -f name=ann')).includes('warning (kvm)')).toBe(emulated)

  await world.qa('vm stop -f name=ann')
  await until('the desktop to be stopped', async () => (await world.vm('ann')).state === 'stopped', START_MS)
  expect(await inHome('ann', 'typed.txt')).toBe('first\nkept')
})
