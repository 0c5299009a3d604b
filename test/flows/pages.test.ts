import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addByForm, goTo } from '../fixtures/admin-steps.ts'
import { canvasPixel, recordTimeline, shoot, timelineSeen, typeLine } from '../fixtures/browser.ts'
import { startWorldWithPages, type WorldWithPages } from '../fixtures/world-pages.ts'
import { PASSWORD, until, type World } from '../fixtures/world.ts'

/** A desktop's whole life in browsers: an administrator makes and enters it, its user works in it, over a real node. */

const GROUND = '#2f5d62'
/** A point of the desktop that no window covers. */
const FREE = { x: 1200, y: 700 }
/** A point inside the terminal's window. */
const TERMINAL = { x: 300, y: 250 }
const PAPER = '#ffffff'

let pages: WorldWithPages
let world: World
let administrator: Page
/** What the newest attempt has made; a further one makes its own. */
let made = { number: 0, login: '', desktop: '' }
let visits = 0

beforeAll(async () => {
  pages = await startWorldWithPages()
  world = pages.world
  administrator = await pages.newAdministrator('ada')
})
afterAll(async () => await pages.world[Symbol.asyncDispose]())

/** Runs a program in the desktop. */
const inside = async (...argv: string[]): Promise<string> =>
  (await world.inside((await world.vm(made.desktop)).id, argv)).trim()

/** Waits until a file in the user's home holds what fits; returns it. */
async function untilWritten(file: string, content: RegExp): Promise<string> {
  const path = `/home/${made.login}/${file}`
  let last = ''
  await until(`${path} to hold ${content.source}`, async () => {
    last = await inside('sh', '-c', `cat ${path} 2>/dev/null || true`)
    return content.test(last)
  })
  return last
}

async function untilDesktopIsSeen(page: Page): Promise<void> {
  await page.waitForSelector('[data-phase=shown]')
  await until('the ground', async () => (await canvasPixel(page, FREE.x, FREE.y)) === GROUND)
  await until('the terminal', async () => (await canvasPixel(page, TERMINAL.x, TERMINAL.y)) === PAPER)
}

test('an administrator adds a user, a flavour, an image and a desktop, starts it, and sees each step until it runs', async () => {
  const number = made.number + 1
  const [login, flavour, image, desktop] = ['nora', 'kiosk', 'kiosk-image', 'noras'].map(
    (word) => `${word}${number}`,
  ) as [string, string, string, string]
  made = { number, login, desktop }
  const page = administrator
  const places = {
    users: { place: `#/users?search=${login}`, heading: 'Users', button: 'New user' },
    flavours: { place: '#/flavours', heading: 'Flavours', button: 'New flavour' },
    images: { place: '#/images', heading: 'Images', button: 'New image' },
    desktops: { place: `#/desktops?search=${desktop}`, heading: 'Desktops', button: 'New desktop' },
  }
  await addByForm(page, places.users, { login, password: PASSWORD })
  await addByForm(page, places.flavours, { name: flavour, memory: '1024', cpus: '2' })
  await addByForm(page, places.images, { name: image, osf: flavour, kind: 'instant' })
  await shoot(page, 'flow-1-image')
  await addByForm(page, places.desktops, { name: desktop, user: login, osf: flavour })
  await page.click(`tbody a:text-is("${desktop}")`)
  await page.waitForSelector(`h1:text-is("${desktop}")`)
  await recordTimeline(page)
  await page.click('.tools button:text-is("Start")')
  await page.waitForSelector('article > header:has-text("running")')
  await page.waitForSelector('.timeline li:has-text("agent up")')
  expect(await timelineSeen(page)).toEqual(['queued', 'placed', 'prepared', 'booting', 'agent up'])
  await shoot(page, 'flow-2-running')
})

test('she opens a shell in it, types a command and reads what it says', async () => {
  const page = administrator
  await goTo(page, `#/desktops/${made.desktop}`, made.desktop)
  await page.click('.tools button:text-is("Shell")')
  await page.waitForSelector('.terminal .xterm-rows:has-text("#")')
  await page.keyboard.type('echo "this is $(id -un), $((6 * 7)) times"; echo by-shell > /run/by-shell\n')
  await page.waitForSelector('.terminal .xterm-rows:has-text("this is root, 42 times")')
  expect(await inside('cat', '/run/by-shell')).toBe('by-shell')
  await shoot(page, 'flow-3-shell')
  await page.keyboard.type('exit 3\n')
  await page.waitForSelector('.console [role=alert]:text-is("The shell has ended with 3.")')
  await page.click('.console button:text-is("Close")')
  await page.waitForSelector('.console', { state: 'detached' })
})

test('its user signs in, types into it, loses the line and comes back to the same programs by herself', async () => {
  const { login, desktop } = made
  const visit = ++visits
  const page = await pages.newPage()
  await page.goto(`https://127.0.0.1:${world.port}/`)
  await page.fill('input[name=login]', login)
  await page.fill('input[name=password]', PASSWORD)
  await page.click('button.main')
  await page.click(`.tile:has-text("${desktop}")`)
  await untilDesktopIsSeen(page)
  await typeLine(page, TERMINAL.x, TERMINAL.y, `sleep 4321 & echo program $! > typed${visit}.txt`)
  const program = await untilWritten(`typed${visit}.txt`, /^program \d+$/)
  await shoot(page, 'flow-4-desktop')

  await goTo(administrator, `#/desktops/${desktop}`, desktop)
  await administrator.waitForSelector(`.panel:has(h2:text-is("Facts")) dd:has-text("${login}")`)
  await goTo(administrator, `#/desktops?search=${desktop}`, 'Desktops')
  await administrator.waitForSelector('tbody tr:has-text("connected")')
  await shoot(administrator, 'flow-5-connected')

  await world.node.crash('l7r')
  await page.waitForSelector('[data-phase=returning]')
  await shoot(page, 'flow-6-returning')
  await world.node.start('l7r')
  await untilDesktopIsSeen(page)
  // The same shell knows its last program, which lives.
  await typeLine(page, TERMINAL.x, TERMINAL.y, `kill -0 $! && echo program $! > back${visit}.txt`)
  expect(await untilWritten(`back${visit}.txt`, /^program/)).toBe(program)
  await shoot(page, 'flow-7-back')
  await page.context().close()
})
