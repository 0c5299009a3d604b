import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canvasPixel, openBrowser, timelineSeen, typeLine, type UserBrowser } from '../fixtures/browser.ts'
import { startWorld, until, type World } from '../fixtures/world.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'

/** The instant desktop's background, and a point of it that no window covers. */
const GROUND = '#2f5d62'
const FREE = { x: 900, y: 600 }
/** A point inside the terminal's window. */
const TERMINAL = { x: 300, y: 250 }
const PAPER = '#ffffff'

let world: World
let screen: XScreen
let browser: UserBrowser

beforeAll(async () => {
  world = await startWorld()
  screen = world.scope.own(await openScreen())
  browser = world.scope.own(await openBrowser())
})
afterAll(async () => await world[Symbol.asyncDispose]())

async function untilFile(path: string, content: string): Promise<void> {
  await until(
    `${path} to hold "${content}"`,
    () => existsSync(path) && readFileSync(path, 'utf8').trim() === content,
  )
}

describe('a native client', () => {
  test('sees the desktop, types into it, and finds her programs again after a disconnect', async () => {
    const vmId = await world.addUser('ann')
    const first = screen.connect(world, 'ann')
    await screen.untilPixel(FREE.x, FREE.y, GROUND)
    await screen.untilPixel(TERMINAL.x, TERMINAL.y, PAPER)
    await screen.typeLine(TERMINAL.x, TERMINAL.y, 'echo typed > typed.txt; sleep 4321 & echo $! > pid.txt')
    await untilFile(join(world.home('ann'), 'typed.txt'), 'typed')
    await until('the pid', () => existsSync(join(world.home('ann'), 'pid.txt')))
    const program = world.processOf(vmId, 'sleep 4321')

    await first[Symbol.asyncDispose]()
    await world.untilSuspended(vmId)
    expect(world.processOf(vmId, 'sleep 4321')).toBe(program)

    const second = screen.connect(world, 'ann')
    await screen.untilPixel(FREE.x, FREE.y, GROUND)
    await screen.untilPixel(TERMINAL.x, TERMINAL.y, PAPER)
    await screen.typeLine(TERMINAL.x, TERMINAL.y, 'echo again > again.txt')
    await untilFile(join(world.home('ann'), 'again.txt'), 'again')
    expect(world.processOf(vmId, 'sleep 4321')).toBe(program)
    await second[Symbol.asyncDispose]()
  })
})

describe('a browser', () => {
  test('comes first, sees the desktop and types; a native client finds the same programs', async () => {
    const vmId = await world.addUser('bob')
    const page = await browser.openDesktop(world, 'bob')
    expect(await timelineSeen(page)).toEqual(['queued', 'placed', 'prepared', 'booting', 'agent up'])
    await until(
      'the background in the browser',
      async () => (await canvasPixel(page, FREE.x, FREE.y)) === GROUND,
    )
    await until('the terminal', async () => (await canvasPixel(page, TERMINAL.x, TERMINAL.y)) === PAPER)
    await typeLine(page, TERMINAL.x, TERMINAL.y, 'echo web > web.txt; sleep 4322 &')
    await untilFile(join(world.home('bob'), 'web.txt'), 'web')
    const program = world.processOf(vmId, 'sleep 4322')
    await page.close()

    await using _client = screen.connect(world, 'bob')
    await screen.untilPixel(FREE.x, FREE.y, GROUND)
    await screen.untilPixel(TERMINAL.x, TERMINAL.y, PAPER)
    await screen.typeLine(TERMINAL.x, TERMINAL.y, 'echo native > native.txt')
    await untilFile(join(world.home('bob'), 'native.txt'), 'native')
    expect(world.processOf(vmId, 'sleep 4322')).toBe(program)
  })
})
