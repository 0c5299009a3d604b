import { Scope } from '@ostler/kit/scope.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { hashPassword } from '@ostler/proxy/auth/password.ts'
import { addUser } from '@ostler/proxy/store/admin.ts'
import { sql } from 'kysely'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { gzipSync } from 'node:zlib'
import { seriousFindings } from '../fixtures/admin-pages.ts'
import { type BareDoor, openBareDoor } from '../fixtures/bare-door.ts'
import { CHROMIUM, shoot } from '../fixtures/browser.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { openSharedDisplay, type SharedDisplay } from '../fixtures/shared-display.ts'
import { freePort, PASSWORD, until } from '../fixtures/world.ts'

/** The portal of a real door, with one X screen behind it that every desktop shows. */
const ROOT = join(import.meta.dirname, '../..')
const PAGES = join(ROOT, 'build/web')
const PATIENCE_MS = 30_000

const scope = new Scope()
let database: TestDatabase
let door: BareDoor
let display: SharedDisplay
let browser: Browser
let folder: string
/** What a further attempt writes is not what an earlier one has written. */
let attempts = 0
/** Each drag is a little longer: what is selected is always new. */
let drags = 0

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-portal-'))
  scope.defer(() => rmSync(folder, { recursive: true }))
  database = scope.own(await openTestDatabase())
  display = scope.own(
    await openSharedDisplay(['sh', '-c', `while read -r line; do echo "$line" >> ${typed()}; done`]),
  )
  door = scope.own(
    await openBareDoor(database, folder, await freePort(), {}, { pages: PAGES, browser: display.browser }),
  )
  const password = await hashPassword(new Secret(PASSWORD))
  for (const [login, role] of [
    ['ann', 'user'],
    ['pia', 'power'],
  ] as const)
    await addUser(database.as('api'), { tenantId: 1, role, login, password })
  const hkd = database.as('hkd')
  await sql`INSERT INTO ostler.flavour (name, memory_mb, cpu_percent, is_application) VALUES ('office', 64, 5, false), ('cad', 64, 5, true)`.execute(
    hkd,
  )
  await sql`INSERT INTO ostler.vm (name, user_id, flavour_id, address, prior, state, epoch, host_id)
    SELECT flavour.name || '-desk', users.id, flavour.id, '10.3.0.' || flavour.id, 'booting', 'running', 1, host.id
    FROM ostler.users, ostler.flavour, ostler.host WHERE login = 'ann'`.execute(hkd)
  await sql`INSERT INTO ostler.vm (name, user_id, flavour_id, address)
    SELECT 'waits', users.id, 1, '10.3.0.9' FROM ostler.users WHERE login = 'ann'`.execute(hkd)
  browser = await chromium.launch(CHROMIUM)
  scope.defer(() => browser.close())
})
afterAll(() => scope.close())

const typed = (): string => join(folder, 'typed.txt')

async function visit(locale = 'en-GB'): Promise<Page> {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    locale,
    viewport: { width: 1000, height: 700 },
    permissions: ['clipboard-read', 'clipboard-write'],
  })
  const page = await context.newPage()
  page.setDefaultTimeout(PATIENCE_MS)
  await page.goto(`https://127.0.0.1:${door.port}/portal/`)
  return page
}

async function signIn(locale?: string, login = 'ann', first = '.tile'): Promise<Page> {
  const page = await visit(locale)
  await page.fill('input[name=login]', login)
  await page.fill('input[name=password]', PASSWORD)
  await page.click('button.main')
  await page.waitForSelector(first)
  return page
}

const shows = (page: Page): Promise<unknown> => page.waitForSelector('[data-phase=shown]')

/** Types in the desktop until the terminal has written it down. */
async function untilTyped(page: Page, text: string): Promise<void> {
  await page.mouse.click(100, 100)
  await page.keyboard.type(`${text}\n`, { delay: 20 })
  await untilWritten(text)
}

async function untilWritten(text: string): Promise<void> {
  await until(
    `"${text}" in the desktop`,
    () => existsSync(typed()) && readFileSync(typed(), 'utf8').includes(text),
    PATIENCE_MS,
  )
}

test('desktops and applications are tiles of their own; one that runs can be stopped and restarted', async () => {
  const page = await signIn()
  expect(await page.locator('section[aria-label="Your desktops"] .tile strong').allTextContents()).toEqual([
    'office-desk',
    'waits',
  ])
  expect(
    await page.locator('section[aria-label="Your applications"] .tile strong').allTextContents(),
  ).toEqual(['cad-desk'])
  expect(await page.locator('button[aria-label="Restart office-desk"]').count()).toBe(1)
  expect(await page.locator('button[aria-label="Restart waits"]').count()).toBe(0)
  expect(await seriousFindings(page)).toEqual([])
  await page.click('summary')
  expect(await page.textContent('.native code')).toBe(`ostler connect 127.0.0.1 --port ${door.port} -u ann`)
  await shoot(page, 'portal-list')
  await page.context().close()
})

test('who may make desktops by herself chooses what it is to be, up to her limit; others cannot, however they ask', async () => {
  const page = await signIn('en-GB', 'pia', 'section[aria-label="A new desktop"]')
  expect(await page.locator('select[name=osf] option').allTextContents()).toEqual(['office'])
  for (const name of ['pia-1', 'pia-2', 'pia-3']) {
    await page.click('text=Make it')
    await page.waitForSelector(`.tile:has-text("${name}")`)
  }
  await page.waitForSelector('section[aria-label="A new desktop"]', { state: 'detached' })
  await shoot(page, 'portal-own-desktops')
  const ask = (from: Page, osf: unknown): Promise<unknown> =>
    from.evaluate(async (body) => {
      const headers = { 'Content-Type': 'application/json' }
      const answer = await fetch('./api/desktops', { method: 'POST', headers, body: JSON.stringify(body) })
      return [answer.status, ((await answer.json()) as { fault?: string }).fault]
    }, osf)
  expect(await ask(page, { osf: 'office' })).toEqual([403, 'policy.refused'])
  expect(await ask(page, { osf: 'cad' })).toEqual([404, 'object.unknown'])
  expect(await ask(page, { osf: 'office', name: 'mine' })).toEqual([400, 'request.invalid'])
  const other = await signIn()
  expect(await other.locator('select[name=osf]').count()).toBe(0)
  expect(await ask(other, { osf: 'office' })).toEqual([403, 'desktop.foreign'])
  const { rows } = await sql`SELECT name FROM ostler.vm WHERE name LIKE 'pia%' ORDER BY 1`.execute(
    database.as('hkd'),
  )
  expect(rows).toEqual([{ name: 'pia-1' }, { name: 'pia-2' }, { name: 'pia-3' }])
  await page.context().close()
  await other.context().close()
})

test('a start that fails is told in a sentence with what may be tried', async () => {
  const page = await signIn()
  await page.click('.tile:has-text("waits")')
  await page.waitForSelector('[data-phase=over]')
  const said = (await page.textContent('[role=alert]')) ?? ''
  expect(said).toMatch(/^[A-Z].*\.$/)
  expect(said).not.toMatch(/\b(1006|4\d{3}|undefined)\b/)
  expect(await seriousFindings(page)).toEqual([])
  await shoot(page, 'portal-failed')
  await page.context().close()
})

test('a user types into her desktop; when the line breaks it comes back by itself and she types on', async () => {
  const page = await signIn()
  await page.click('.tile:has-text("office-desk")')
  await shows(page)
  await untilTyped(page, 'before the break')
  await shoot(page, 'portal-desktop')
  const before = display.visits()
  display.breakLines()
  await page.waitForSelector('[data-phase=returning]')
  expect(await page.textContent('[role=status]')).toContain('Your programs go on')
  await shows(page)
  expect(display.visits()).toBe(before + 1)
  await untilTyped(page, 'after the break')
  await page.context().close()
})

test('who is displaced reads where her desktop went, and nothing brings it back by itself', async () => {
  const page = await signIn()
  await page.click('.tile:has-text("office-desk")')
  await shows(page)
  const before = display.visits()
  display.close(4409, 'this desktop was opened by ann, in a native client')
  await page.waitForSelector('[data-phase=over]')
  expect(await page.textContent('[role=alert]')).toBe('This desktop was opened by ann, in a native client.')
  await shoot(page, 'portal-moved')
  expect(display.visits()).toBe(before)
  await page.click('button:text-is("Connect again")')
  await shows(page)
  await page.context().close()
})

test('the clipboard goes by a button either way, and keys that the browser keeps are on the screen', async () => {
  const attempt = ++attempts
  const page = await signIn()
  await page.click('.tile:has-text("office-desk")')
  await shows(page)
  const field = (): Promise<string> => page.inputValue('textarea')
  await page.evaluate("navigator.clipboard.writeText('mine')")
  await page.click('.screen-tools summary')
  await page.click('text=Clipboard')
  await page.click('text=Take what is copied on this device')
  await expect.poll(field, { timeout: PATIENCE_MS }).toBe('mine')
  // It ends its line itself: a key that follows could come before what the terminal has to ask the display for.
  const given = `given to the desktop ${attempt}`
  await page.fill('textarea', `${given}\n`)
  await page.click('text=Give it to the desktop')
  await page.mouse.click(100, 200, { button: 'middle' })
  await untilWritten(given)
  // A selection in the desktop is shown in the field, also when that was folded away, and does not touch what was copied here.
  // It is drawn: two clicks are one double click only on a machine that is quick enough. The terminal's first line has what was
  // typed before.
  await page.fill('textarea', 'nothing from the desktop')
  const select = async (): Promise<string> => {
    await page.click('.screen-tools button:text-is("Clipboard")')
    await page.waitForSelector('textarea', { state: 'detached' })
    await page.mouse.move(20, 61)
    await page.mouse.down()
    await page.mouse.move(60 + 10 * ++drags, 61, { steps: 3 })
    await page.mouse.up()
    await page.click('.screen-tools button:text-is("Clipboard")')
    return await field()
  }
  await expect
    .poll(select, { timeout: PATIENCE_MS, interval: 1_000 })
    .toMatch(/^(?!nothing from the desktop)\S/)
  expect(await page.evaluate('navigator.clipboard.readText()')).toBe('mine')
  await page.click('text=Keys')
  expect(await page.locator('.keys button').allTextContents()).toContain('F12')
  // With Ctrl held on the screen, a J from the keyboard is a line feed.
  await page.mouse.click(100, 200)
  const ended = `ended by a key on the screen ${attempt}`
  await page.keyboard.type(ended, { delay: 20 })
  await page.click('.keys button:text-is("Ctrl")')
  await page.waitForSelector('.keys button:text-is("Ctrl")[aria-pressed=true]')
  await page.keyboard.press('j')
  await untilWritten(ended)
  expect(await seriousFindings(page)).toEqual([])
  await shoot(page, 'portal-tools')
  // Who folds the keys away lets go of what was held: these are letters again, and no commands of the terminal.
  await page.click('.screen-tools button:text-is("Keys")')
  await page.waitForSelector('.keys', { state: 'detached' })
  await untilTyped(page, `uuj ${attempt}`)
  await page.context().close()
})

test('the portal speaks Spanish, light or dark, and is small', async () => {
  const loaded: string[] = []
  const page = await visit('es-ES')
  page.on('response', (response) => loaded.push(new URL(response.url()).pathname))
  await page.reload()
  await page.waitForSelector('text=Contraseña')
  expect(await page.getAttribute('html', 'lang')).toBe('es')
  for (const theme of ['light', 'dark']) {
    await page.selectOption('select >> nth=1', theme)
    expect({ theme, found: await seriousFindings(page) }).toEqual({ theme, found: [] })
  }
  const files = loaded
    .filter((path) => /^\/portal\/(assets\/.*)?$/.test(path))
    .map((path) => join(PAGES, path === '/portal/' ? 'index.html' : path.slice('/portal/'.length)))
  const bytes = files.map((file) => gzipSync(readFileSync(file)).length).reduce((sum, each) => sum + each, 0)
  console.log(`first load of the portal: ${(bytes / 1_000).toFixed(1)} kB gzipped`)
  expect(files.length).toBeGreaterThan(2)
  expect(bytes).toBeLessThan(200_000)
  await page.context().close()
})

test('the door does not serve the administrators’ pages', async () => {
  const page = await visit()
  const answer = await page.request.get(`https://127.0.0.1:${door.port}/portal/admin/index.html`)
  expect(answer.status()).toBe(404)
  await page.context().close()
})
