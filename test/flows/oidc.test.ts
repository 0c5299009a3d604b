import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Scope } from '@ostler/kit/scope.ts'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openBrowser, type UserBrowser } from '../fixtures/browser.ts'
import { CLIENT_ID, CLIENT_SECRET, openTestProvider } from '../fixtures/openid-provider.ts'
import { freePort, listenOn, startWorld, until, type World } from '../fixtures/world.ts'

/** A user whom only her provider knows: in a browser, and with a native client that she confirms there. */

const CLIENT = join(import.meta.dirname, '../../client/src/bin/ostler.ts')

const scope = new Scope()
let world: World
let browser: UserBrowser
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-oidc-flow-'))
  scope.defer(() => rmSync(folder, { recursive: true }))
  chmodSync(folder, 0o755) // the door is another user
  const port = await freePort()
  const held = await listenOn(port)
  world = scope.own(
    await startWorld({
      'l7r.auth.oidc.issuer': `https://localhost:${port}`,
      'l7r.auth.oidc.client_id': CLIENT_ID,
      'l7r.auth.oidc.client_secret': CLIENT_SECRET,
      'l7r.auth.oidc.label': 'The House',
      'l7r.auth.oidc.ca': join(folder, `provider-${port}.pem`),
    }),
  )
  await held[Symbol.asyncDispose]()
  const back = `https://127.0.0.1:${world.port}/portal/api/oidc/callback`
  const provider = scope.own(await openTestProvider(folder, port, [back]))
  for (const login of ['ann', 'eve']) provider.people.set(login, { preferred_username: login })
  await world.addUser('ann')
  browser = scope.own(await openBrowser())
})
afterAll(() => scope.close())

/** From the portal's button over the provider's page. */
async function signInAtProvider(page: Page, login: string): Promise<void> {
  await page.click('text=Sign in with The House')
  await page.fill('input[name=login]', login)
  await page.fill('input[name=password]', 'any')
  await page.click('button[type=submit]')
}

/** The client pairs; resolves when it shows its code. */
async function pairing(): Promise<{
  code: string
  ended: Promise<{ code: number | null; out: string; said: string }>
}> {
  const words = ['list', '127.0.0.1', '--port', String(world.port), '--pair', '--accept-new-certificate']
  const child = spawn('node', [CLIENT, ...words], {
    env: { PATH: process.env['PATH'], XDG_CONFIG_HOME: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  world.scope.defer(() => void child.kill('SIGKILL'))
  let [out, said] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const ended = new Promise<{ code: number | null; out: string; said: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, out, said })),
  )
  const shown = /^ {4}([A-Z]{4}-[A-Z]{4})$/m
  await until('the code', () => shown.test(said) || child.exitCode !== null)
  expect(said).toContain(`https://127.0.0.1:${world.port}/portal/#pair`)
  return { code: shown.exec(said)?.[1] ?? '', ended }
}

test('she signs in at the button, sees her desktop, and lets a native client in that lists it too', async () => {
  const page = await browser.visit(world, '/')
  await signInAtProvider(page, 'ann')
  await page.waitForSelector('.tile')
  expect(new URL(page.url()).pathname).toBe('/portal/')
  expect(await page.textContent('.tile strong')).toBe('ann')

  const { code, ended } = await pairing()
  await page.click('text=Pair a device')
  await page.fill('input[name=code]', code.toLowerCase())
  await page.click('text=Continue')
  await page.waitForSelector('text=asks from address')
  expect(await page.textContent('main')).toMatch(/ostler on .+ asks from address 127\.0\.0\.1, since /)
  await page.click('button:has-text("Confirm")')
  await page.waitForSelector('[role=status]')
  expect(await page.textContent('[role=status]')).toBe('The device is paired and goes on by itself.')
  const { code: exit, out } = await ended
  expect([exit, out]).toEqual([0, '   1  stopped    ann\n'])
  await page.click('text=Back to the list')
  await page.waitForSelector('.tile')
})

test('the address that a device shows leads over the sign-in to its code; refused, it says so', async () => {
  const page = await browser.visit(world, '/portal/#pair')
  await signInAtProvider(page, 'ann')
  await page.waitForSelector('input[name=code]')
  await page.fill('input[name=code]', 'BCDF-GHJK')
  await page.click('text=Continue')
  await page.waitForSelector('[role=alert]')
  expect(await page.textContent('[role=alert]')).toMatch(/^No device waits with this code\. Compare it/)
  const { code, ended } = await pairing()
  await page.fill('input[name=code]', code)
  await page.click('text=Continue')
  await page.click('button:has-text("Refuse")')
  const { code: exit, said } = await ended
  expect(said).toContain('this device was refused at the portal. Begin again if that was a mistake.')
  expect(exit).toBe(77)
})

test('who has no account here is told so on a page', async () => {
  const page = await browser.visit(world, '/')
  await signInAtProvider(page, 'eve')
  await page.waitForSelector('[role=alert]')
  expect(await page.textContent('[role=alert]')).toBe(
    'The House knows you, but you have no open account here.',
  )
  await page.click('text=Back to the portal')
  await page.waitForSelector('input[name=login]')
})

test('a second factor has a field of its own, for those who have a code', async () => {
  const page = await browser.visit(world, '/')
  expect(await page.locator('input[name=code]').count()).toBe(0)
  await page.click('text=I have a code')
  const sent = page.waitForRequest('**/portal/api/sign-in')
  await page.fill('input[name=login]', 'ann')
  await page.fill('input[name=password]', 'wrong')
  await page.fill('input[name=code]', '123456')
  await page.click('button.main')
  expect((await sent).postDataJSON()).toEqual({ login: 'ann', password: 'wrong', code: '123456' })
})
