import { comesToHold } from '@ostler/kit/poll.ts'
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
/** Until a line that was typed is executed, if it arrived whole. */
const PAINT_MS = 20_000
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

/**
 * Types a line whose last command paints the ground, until it has done so: keys that come while a slow guest takes its
 * display back may be lost. It may be executed several times.
 */
async function typeUntil(line: string, colour: string): Promise<void> {
  const isPainted = async (): Promise<boolean> => (await screen.pixel(FREE.x, FREE.y)) === colour
  const typed = async (): Promise<boolean> => {
    await screen.typeLine(TERMINAL.x, TERMINAL.y, '')
    await screen.typeLine(TERMINAL.x, TERMINAL.y, `${line}; sync; xsetroot -solid "${colour}"`)
    return await comesToHold(isPainted, PAINT_MS, 200)
  }
  await until(`"${line}" to be typed`, typed, START_MS)
}

/** A file of a home, read from its disk, which nobody has open. */
async function inHome(login: string, path: string): Promise<string> {
  const disk = join(world.node.settings.folder, 'state/storage/homefs', `${login}-2.raw`)
  const { stdout } = await run('debugfs', ['-R', `cat /${login}/${path}`, `${disk}?offset=${PARTITION}`])
  return stdout.trim()
}

test('a native client opens a desktop that is a virtual machine, finds her programs again, and sees its screen by SPICE', async () => {
  await world.addUser('ann', 'machine')
  const first = screen.connect(world, 'ann')
  await screen.untilPixel(FREE.x, FREE.y, GROUND, START_MS)
  await screen.untilPixel(TERMINAL.x, TERMINAL.y, PAPER, START_MS)
  await typeUntil('export MARK=kept; echo first > first.txt', '#654321')
  await first[Symbol.asyncDispose]()

  const second = screen.connect(world, 'ann')
  await screen.untilPixel(FREE.x, FREE.y, '#654321', START_MS)
  await screen.untilPixel(TERMINAL.x, TERMINAL.y, PAPER, START_MS)
  await typeUntil('echo $MARK > second.txt', '#123456')
  await second[Symbol.asyncDispose]()

  const atScreen = /^connected since .*: ann, in a SPICE viewer/m
  const third = screen.connect(world, 'ann', ['--display', 'spice', '--viewer', 'spicy'])
  await until('her to sit at its screen', async () => atScreen.test(await world.qa('vm explain -f name=ann')))
  await third[Symbol.asyncDispose]()

  const emulated = world.node.output('hkd').includes('desktop runs with a warning')
  expect((await world.qa('vm explain -f name=ann')).includes('warning (kvm)')).toBe(emulated)

  await world.qa('vm stop -f name=ann')
  await until('the desktop to be stopped', async () => (await world.vm('ann')).state === 'stopped', START_MS)
  expect([await inHome('ann', 'first.txt'), await inHome('ann', 'second.txt')]).toEqual(['first', 'kept'])
})
