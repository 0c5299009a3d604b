import { addHookResult } from '@ostler/proxy/store/session-hooks.ts'
import { sql } from 'kysely'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gzipSync } from 'node:zlib'
import { AdminPages, seriousFindings } from '../fixtures/admin-pages.ts'
import { addByForm, goTo } from '../fixtures/admin-steps.ts'
import { shoot } from '../fixtures/browser.ts'
import { fillDesktops } from '../fixtures/many-desktops.ts'
import { addTestAdministrator } from '../fixtures/two-tenants.ts'

/** Desktops that are in the database before anything is looked at. */
const MANY = 10_000

let pages: AdminPages
let page: Page

beforeAll(async () => {
  pages = await AdminPages.open()
  await fillDesktops(pages.database.as('hkd'), MANY)
  page = await pages.signIn()
})
afterAll(async () => await pages[Symbol.asyncDispose]())

/** Puts a desktop into a state and gives a hint, as hkd does. */
async function move(name: string, prior: string, state: string): Promise<void> {
  await sql`
    WITH moved AS (UPDATE ostler.vm SET prior = ${prior}, state = ${state} WHERE name = ${name} RETURNING id)
    SELECT pg_notify('ostler_vm', id::text) FROM moved`.execute(pages.database.as('hkd'))
}

/** Waits until a list has said how many there are. */
async function untilCounted(count: string): Promise<void> {
  await page.waitForSelector(`[role=status][data-ready=true]:text-is(${JSON.stringify(`${count} in all`)})`)
}

describe('signing in', () => {
  test('makes a session of which the page has one half and a cookie the other, and neither opens anything alone', async () => {
    const cookies = await page.context().cookies()
    expect(cookies).toMatchObject([
      { name: '__Host-ostler-admin', httpOnly: true, secure: true, sameSite: 'Strict', path: '/' },
    ])
    const key = await page.evaluate<string>("localStorage.getItem('ostler.admin.key')")
    const ask = async (headers: Record<string, string>): Promise<number> =>
      await page.evaluate<number>(
        `fetch('../v1/self', { headers: ${JSON.stringify(headers)} }).then((answer) => answer.status)`,
      )
    expect(await ask({ 'Ostler-Page': key })).toBe(200)
    expect(await ask({})).toBe(401)
    expect(await ask({ 'Ostler-Page': key.split('').toReversed().join('') })).toBe(401)
    const stranger = await (await pages.newBrowser()).newPage()
    await stranger.goto(`${pages.origin}/admin/`)
    const alone = `fetch('../v1/self', { headers: { 'Ostler-Page': ${JSON.stringify(key)} } }).then((answer) => answer.status)`
    expect(await stranger.evaluate<number>(alone)).toBe(401)
    await stranger.context().close()
  })

  test('with a wrong token says so in a sentence; signing out ends the session at once, in every tab', async () => {
    const context = await pages.newBrowser()
    const wrong = await context.newPage()
    await wrong.goto(`${pages.origin}/admin/`)
    await wrong.fill('input[name=secret]', 'ostler_0000000000000000000000000000000000000000000')
    await wrong.click('button.main')
    await expect.poll(() => wrong.textContent('[role=alert]')).toContain('too old or blocked')
    const first = await pages.signIn(pages.token, context)
    const second = await context.newPage()
    await second.goto(`${pages.origin}/admin/`)
    await second.waitForSelector('nav')
    const sessions = async (): Promise<number> =>
      (
        await pages.database
          .as('hkd')
          .selectFrom('administrator_token')
          .selectAll()
          .where('name', '=', 'browser')
          .execute()
      ).length
    const before = await sessions()
    await first.click('text=Sign out')
    await second.waitForSelector('input[name=secret]')
    expect(await sessions()).toBe(before - 1)
    expect(await context.cookies()).toEqual([])
    await context.close()
  })

  test('shows nothing that a role may not see', async () => {
    const { token } = await addTestAdministrator(pages.database.as('hkd'), 'sue', 'support')
    const support = await pages.signIn(token)
    expect(await support.locator('nav a').allTextContents()).toEqual([
      ...['Overview', 'Desktops', 'Users', 'Flavours', 'Images', 'Roll-outs'],
    ])
    await support.context().close()
  })
})

test('every page comes from here alone, under a policy that lets nothing else in', async () => {
  const asked: string[] = []
  const fresh = await (await pages.newBrowser()).newPage()
  fresh.on('request', (request) => asked.push(request.url()))
  const problems: string[] = []
  fresh.on('console', (message) => message.type() === 'error' && problems.push(message.text()))
  const answer = await fresh.goto(`${pages.origin}/admin/`)
  await fresh.waitForSelector('input[name=secret]')
  expect(asked.filter((url) => !url.startsWith(pages.origin))).toEqual([])
  expect(problems).toEqual([])
  const policy = answer?.headers()['content-security-policy'] ?? ''
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain("script-src 'self'")
  expect(policy).toContain("connect-src 'self' wss://127.0.0.1:8443")
  expect(policy).toContain("frame-ancestors 'none'")
  await fresh.context().close()
})

test('what is loaded before anything is opened is at most 200 kB, gzipped', async () => {
  const folder = join(import.meta.dirname, '../../build/web/admin')
  const loaded: string[] = []
  const fresh = await (await pages.newBrowser()).newPage()
  fresh.on('response', (response) => loaded.push(new URL(response.url()).pathname))
  await fresh.goto(`${pages.origin}/admin/`)
  await fresh.waitForSelector('input[name=secret]')
  const files = loaded
    .filter((path) => path.startsWith('/admin/'))
    .map((path) => join(folder, path === '/admin/' ? 'index.html' : path.slice('/admin/'.length)))
  expect(files.length).toBeGreaterThan(2)
  const bytes = files.map((file) => gzipSync(readFileSync(file)).length).reduce((sum, each) => sum + each, 0)
  console.log(`first load of the administrators' pages: ${(bytes / 1_000).toFixed(1)} kB gzipped`)
  expect(bytes).toBeLessThan(200_000)
  const all = readdirSync(join(folder, 'assets')).map((file) => statSync(join(folder, 'assets', file)).size)
  expect(Math.max(...all)).toBeGreaterThan(300_000) // the terminal, which is not among them
  await fresh.context().close()
})

test('the overview says how many desktops there are in each state, how long starts took, and what failed why', async () => {
  await goTo(page, '#/', 'Overview')
  await page.waitForSelector('.plot canvas')
  const text = (await page.textContent('main')) ?? ''
  expect(text).toContain('1,000')
  expect(text).toContain('9,000')
  expect(text).toContain('98 % within')
  expect(text).toContain('the agent never answered')
  expect(text).toContain('3 times')
  await shoot(page, 'admin-overview')
})

describe('a list of ten thousand desktops', () => {
  test('is filtered, sorted and scrolled through with some dozens of rows on the page', async () => {
    const began = performance.now()
    await goTo(page, '#/desktops', 'Desktops')
    await untilCounted('10,000')
    await page.waitForSelector('tbody a:text-is("desk00001")')
    console.log(`${MANY} desktops are there after ${Math.round(performance.now() - began)} ms`)
    expect(await page.locator('tbody tr').count()).toBeLessThan(100)
    await page.evaluate("document.querySelector('.scroller').scrollTo(0, 1e9)")
    await page.waitForSelector('tbody a:text-is("desk10000")')
    expect(await page.locator('tbody tr').count()).toBeLessThan(100)
    await page.evaluate("document.querySelector('.scroller').scrollTo(0, 0)")
    await page.click('th button:has-text("Name")')
    await page.click('th button:has-text("Name")')
    await page.waitForSelector('tbody a:text-is("desk10000")')
    expect(await page.getAttribute('th[aria-sort=descending]', 'scope')).toBe('col')
    await page.fill('input[type=search]', 'desk0012')
    await untilCounted('10')
    await page.selectOption('.filters select >> nth=0', 'running')
    await untilCounted('1')
    await shoot(page, 'admin-desktops')
  })

  test('is left while a search is typed, and nothing leads back to it', async () => {
    await goTo(page, '#/desktops', 'Desktops')
    await page.fill('input[type=search]', 'desk')
    await goTo(page, '#/users', 'Users')
    // A search begins 200 ms after the last letter; timers of a page end in their order.
    await page.evaluate('new Promise((resolve) => setTimeout(resolve, 400))')
    expect(await page.evaluate('location.hash')).toBe('#/users')
  })

  test('shows by itself what changes, comes and goes', async () => {
    await goTo(page, '#/desktops?search=live', 'Desktops')
    await untilCounted('0')
    const db = pages.database.as('hkd')
    await sql`INSERT INTO ostler.vm (name, user_id, flavour_id, address) VALUES ('live1', 1, 1, '10.9.0.1')`.execute(
      db,
    )
    await page.waitForSelector('tbody tr:has-text("live1"):has-text("stopped")')
    await move('live1', 'stopped', 'preparing')
    await page.waitForSelector('tbody tr:has-text("live1"):has-text("preparing")')
    await move('live1', 'stopped', 'stopped')
    await sql`DELETE FROM ostler.vm WHERE name = 'live1'`.execute(db)
    await untilCounted('0')
  })

  test('is changed as one: what the filter finds is shown first, and of each that cannot be it is said why', async () => {
    await goTo(page, '#/desktops?search=desk0002', 'Desktops')
    await untilCounted('10')
    await page.click('text=Choose all that are found')
    await page.click('.tools button:text-is("Block")')
    await page.waitForSelector('dialog:has-text("desk00020, desk00021")')
    await shoot(page, 'admin-bulk')
    await page.click('dialog button.main')
    await page.waitForSelector('dialog:has-text("Done: 10.")')
    await page.click('dialog button:text-is("Close")')
    await expect.poll(() => page.locator('tbody tr:has-text("yes")').count()).toBe(10)
    await page.check('input[aria-label="Choose desk00020"]')
    await page.check('input[aria-label="Choose desk00021"]')
    await page.click('.tools button:text-is("Delete")')
    await page.waitForSelector('dialog:has-text("2 in all")')
    await page.click('dialog button.main')
    await page.waitForSelector('dialog:has-text("desk00020")')
    await page.waitForSelector('dialog:has-text("Done: 1.")')
    await page.click('dialog button:text-is("Close")')
    await untilCounted('9')
  })
})

test('an administrator adds a user, a flavour, an image and a desktop, and starts it', async () => {
  const users = { place: '#/users?search=nora', heading: 'Users', button: 'New user' }
  await addByForm(page, users, { login: 'nora', password: 'secret-of-nora' })
  const flavours = { place: '#/flavours', heading: 'Flavours', button: 'New flavour' }
  await addByForm(page, flavours, { name: 'kiosk', memory: '256' })
  const images = { place: '#/images', heading: 'Images', button: 'New image' }
  await addByForm(page, images, { name: 'kiosk-1', osf: 'kiosk', kind: 'instant' })
  const desktops = { place: '#/desktops?search=noras', heading: 'Desktops', button: 'New desktop' }
  await addByForm(page, desktops, { name: 'noras', user: 'nora', osf: 'kiosk' })
  await page.click('tbody a:text-is("noras")')
  await page.waitForSelector('h1:text-is("noras")')
  await page.click('.tools button:text-is("Start")')
  // No hkd runs here: the wish is what the api makes of it.
  await page.waitForSelector('.panel:has-text("Wishes") li:has-text("run ada")')
  const db = pages.database.as('hkd')
  await sql`INSERT INTO ostler.timeline (vm_id, epoch, step) SELECT id, epoch, 'queued' FROM ostler.vm WHERE name = 'noras'`.execute(
    db,
  )
  await move('noras', 'stopped', 'preparing')
  await page.waitForSelector('.timeline li:has-text("queued")')
  await page.waitForSelector('article > header:has-text("preparing")')
  await page.fill('form.row input[name=key]', 'colour')
  await page.fill('form.row input[name=value]', 'green')
  await page.click('form.row button')
  await page.waitForSelector('dt:text-is("colour")')
  await shoot(page, 'admin-desktop')
})

test('the page of a desktop shows by itself what became of its hooks', async () => {
  await goTo(page, '#/desktops/desk00010', 'desk00010')
  await page.waitForSelector('.panel:has-text("None was called.")')
  const boot = { vmId: 10, epoch: 1, session: 1 }
  const called = {
    for: 'connect',
    hook: 'vma.on_action.connect',
    exit: 3,
    ms: 1_250,
    text: 'no licence is free',
  }
  await addHookResult(pages.database.as('hkd'), boot, called)
  const line = '.panel:has(h2:text-is("Hooks")) li:has-text("vma.on_action.connect")'
  await page.waitForSelector(`${line}:has-text("ended with 3 after 1,250 ms"):has-text("no licence is free")`)
  const cut = {
    for: 'connected',
    hook: 'vma.on_state.connected',
    exit: null,
    ms: 60_000,
    text: 'it took too long',
  }
  await addHookResult(pages.database.as('hkd'), boot, cut)
  const first = '.panel:has(h2:text-is("Hooks")) li:first-child:has-text("vma.on_state.connected")'
  await page.waitForSelector(`${first}:has-text("did not run to its end"):has-text("it took too long")`)
  await shoot(page, 'admin-hooks')
})

test('an image is rolled out: planned, previewed with every desktop, begun and stopped', async () => {
  await goTo(page, '#/images', 'Images')
  await page.check('input[aria-label="Choose office-2"]')
  await page.click('text=Roll out …')
  await page.waitForSelector('h1:text-is("New roll-out")')
  expect(await page.inputValue('input[name=di]')).toBe('office-2')
  await page.fill('input[name=canary]', '2')
  await page.click('text=Preview')
  await page.waitForSelector('p[role=status]:has-text("office-2 instead of office-1")')
  await shoot(page, 'admin-roll-out-preview')
  await page.click('text=Begin')
  await page.waitForSelector('article > header:has-text("running")')
  await page.click('.tools button:text-is("Pause")')
  await page.waitForSelector('article > header:has-text("paused")')
  await page.click('.tools button:text-is("Stop and roll back")')
  await page.waitForSelector('article > header:has-text("stopping")')
  await shoot(page, 'admin-roll-out')
})

test('a key of the configuration is set, with its origin, and a wrong value is refused where it was typed', async () => {
  await goTo(page, '#/configuration', 'Configuration')
  await page.click('text=Set a key')
  await page.fill('dialog [name=key]', 'backup.keep')
  await page.fill('dialog [name=value]', 'soon')
  await page.click('dialog button.main')
  await page.waitForSelector('dialog [role=alert]')
  await page.fill('dialog [name=value]', '7')
  await page.click('dialog button.main')
  await page.waitForSelector('tbody tr:has-text("backup.keep"):has-text("7"):has-text("database")')
  await shoot(page, 'admin-configuration')
})

test('the audit log has what was done, newest first, and grows by itself', async () => {
  await goTo(page, '#/audit', 'Audit log')
  await page.waitForSelector('tbody tr:has-text("POST /v1/configuration")')
  const before = await page.locator('tbody tr').count()
  const headers = { Authorization: `Bearer ${pages.token}`, 'Content-Type': 'application/json' }
  const other = await (await pages.newBrowser()).newPage()
  await other.request.post(`${pages.origin}/v1/users`, { headers, data: { login: 'audited' } })
  await page.waitForSelector('tbody tr:has-text("user audited")')
  expect(await page.locator('tbody tr').count()).toBe(before + 1)
  await other.context().close()
})

test('older lines of the audit log stay joined to the newest, however many come', async () => {
  const db = pages.database.as('hkd')
  const write = async (word: string, count: number): Promise<void> => {
    await sql`INSERT INTO ostler.audit (request, by, role, address, action, object, status)
      SELECT md5(n::text), 'ada', 'superadmin', '127.0.0.1', ${word}, n::text, 201 FROM generate_series(1, ${count}::int) AS n`.execute(
      db,
    )
    await sql`SELECT pg_notify('ostler_admin', '')`.execute(db)
  }
  const lines = (word: string): Promise<number> =>
    page.locator(`tbody tr:has(td:nth-child(3):text-is("${word}"))`).count()
  await write('first', 120)
  await goTo(page, '#/', 'Overview')
  await goTo(page, '#/audit', 'Audit log')
  await page.click('text=Older ones')
  await expect.poll(() => lines('first')).toBe(120)
  for (const word of ['second', 'third']) {
    await write(word, 60)
    await page.waitForSelector(`tbody tr:first-child:has-text("${word}"):has-text("60")`)
  }
  expect([await lines('first'), await lines('second'), await lines('third')]).toEqual([120, 60, 60])
})

describe('whoever comes', () => {
  test('reads Spanish, where the browser says so or she chooses it', async () => {
    const spanish = await pages.signIn(pages.token, await pages.newBrowser('es-ES'))
    await goTo(spanish, '#/desktops', 'Escritorios')
    expect(await spanish.getAttribute('html', 'lang')).toBe('es')
    await spanish.selectOption('.bar select >> nth=0', 'en')
    await spanish.waitForSelector('h1:text-is("Desktops")')
    await spanish.context().close()
  })

  test('can do without a mouse', async () => {
    await goTo(page, '#/users', 'Users')
    await page.keyboard.press('Tab')
    const focused = async (): Promise<string> =>
      await page.evaluate('document.activeElement?.textContent ?? ""')
    expect(await focused()).toBe('New user')
    await page.keyboard.press('Enter')
    await page.waitForSelector('dialog input[name=login]')
    await page.keyboard.press('Escape')
    await page.waitForSelector('dialog', { state: 'detached' })
  })

  test.each([
    ['#/', 'Overview'],
    ['#/desktops', 'Desktops'],
    ['#/desktops/desk00003', 'desk00003'],
    ['#/users', 'Users'],
    ['#/users/user1', 'user1'],
    ['#/nodes', 'Nodes'],
    ['#/flavours', 'Flavours'],
    ['#/images', 'Images'],
    ['#/roll-outs', 'Roll-outs'],
    ['#/roll-outs?image=office-2', 'New roll-out'],
    ['#/configuration', 'Configuration'],
    ['#/notices', 'Notices'],
    ['#/audit', 'Audit log'],
  ])('at %s meets nothing that axe calls serious, light or dark', async (place, heading) => {
    for (const theme of ['light', 'dark']) {
      await page.selectOption('.bar select >> nth=1', theme)
      await goTo(page, place, heading)
      expect({ theme, found: await seriousFindings(page) }).toEqual({ theme, found: [] })
    }
  })
})
