import type { JobShown } from '@ostler/contract/jobs.ts'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { YardRulesInput } from '../../proxy/src/hypervisor/simulated/script.ts'
import { goTo } from '../fixtures/admin-steps.ts'
import { shoot } from '../fixtures/browser.ts'
import { startWorldWithPages, type WorldWithPages } from '../fixtures/world-pages.ts'
import { until, type World } from '../fixtures/world.ts'

/** An image goes to three desktops, by an administrator's browser and a running node; at one of them it does not boot. */

const NAMES = ['ann', 'bob', 'cleo']
/** The desktop of bob, the second that is made. */
const UNLUCKY = 2
const REASON = 'the desktop ended before its agent answered'
const RULES: YardRulesInput = {
  scripts: [
    { script: { bootMs: 20, agentMs: 30 } },
    { image: 'two', desktop: UNLUCKY, script: { livesMs: 50, agentMs: null } },
  ],
}

let pages: WorldWithPages
let world: World
let folder: string
let page: Page

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-rules-'))
  const rules = join(folder, 'rules.json')
  writeFileSync(rules, JSON.stringify(RULES))
  pages = await startWorldWithPages({ 'vm.hypervisor': 'simulated', 'vm.simulated.rules': rules })
  world = pages.world
  await world.qa('osf add name=office memory=64')
  for (const image of ['one', 'two'])
    await world.qa(`di add name=${image} version=${image} osf=office kind=instant`)
  for (const name of NAMES) await world.addUser(name, 'office')
  expect((await world.vm('bob')).id).toBe(UNLUCKY)
  for (const name of NAMES) await world.qa(`vm start -f name=${name}`)
  page = await pages.newAdministrator('ada')
})
afterAll(async () => {
  await pages.world[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

beforeEach(async () => {
  for (const { id, state } of (await world.api.get('/v1/jobs')) as JobShown[])
    if (state === 'running') await world.qa(`job stop -f id=${id}`)
  await untilAllRun('one')
})

async function untilAllRun(image: string): Promise<void> {
  await until(`all to run ${image}`, async () => {
    const rows = (await world.api.get('/v1/desktops')) as { state: string; di: string | null }[]
    return rows.every(({ state, di }) => state === 'running' && di === image)
  })
}

/** Plans a roll-out of the image `two` in the browser, and looks at its preview. */
async function preview(plan: Readonly<Record<string, string>>): Promise<void> {
  await goTo(page, '#/images', 'Images')
  await page.check('input[aria-label="Choose two"]')
  await page.click('text=Roll out …')
  await page.waitForSelector('h1:text-is("New roll-out")')
  for (const [name, value] of Object.entries(plan)) await page.fill(`form.plan input[name=${name}]`, value)
  await page.click('text=Preview')
  await page.waitForSelector('p[role=status]:has-text("two instead of one for the tag default: 3 desktops")')
  const rows = await page.locator('tbody tr').allTextContents()
  expect(rows).toHaveLength(NAMES.length)
  for (const name of NAMES)
    expect(rows.filter((row) => row.includes(name) && row.includes('is started anew at once'))).toHaveLength(
      1,
    )
}

const stands = (state: string): Promise<unknown> =>
  page.waitForSelector(`article > header .state:text-is("${state}")`)
const counted = (state: string, count: number): Promise<unknown> =>
  page.waitForSelector(`.panel:has(h2:text-is("Wave 1")) .count:has-text("${state}"):has-text("${count}")`)

test('two desktops get it and one fails, with its reason; then the administrator stops it, and all are as before', async () => {
  await preview({ canary: '0', wave: '3', pause: '10m', 'stop-on': '2' })
  await shoot(page, 'roll-out-1-preview')
  await page.click('text=Begin')
  await stands('running')
  await counted('new', 2)
  await counted('failed', 1)
  await page.waitForSelector(`.lines li:has-text("bob"):has-text("failed"):has-text("${REASON}")`)
  await shoot(page, 'roll-out-2-one-failed')
  await page.click('.tools button:text-is("Stop and roll back")')
  await stands('rolled back')
  await page.waitForSelector('article > header [role=status]:has-text("stopped by ada")')
  await shoot(page, 'roll-out-3-stopped')
  await untilAllRun('one')
})

test('where one failure is enough, it stops by itself and says which desktop did not start, and why', async () => {
  await preview({ canary: '0', wave: '3', pause: '10m', 'stop-on': '1' })
  await page.click('text=Begin')
  await stands('rolled back')
  await page.waitForSelector(`article > header [role=status]:has-text("did not start: bob (${REASON})")`)
  await page.waitForSelector('.lines li:has-text("the tag default stands for the old image again")')
  await shoot(page, 'roll-out-4-stopped-by-itself')
  await untilAllRun('one')
})
