import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AdminPages } from '../fixtures/admin-pages.ts'
import { goTo } from '../fixtures/admin-steps.ts'
import { fillDesktops } from '../fixtures/many-desktops.ts'
import { memoryMeter, stir } from '../fixtures/page-memory.ts'

/**
 * Pages that are watched for long hold no more than at the beginning. What ten minutes of it make is printed by
 * `npm run bench:pages`.
 */

const MANY = 10_000
/** So many changes of so many desktops, each seen by the page before the next: caches fill in the first ones. */
const STIRRED = 100
const [FIRST, MORE] = [15, 45]
/** Pages that hold nothing grow by some 100 kB; a list that holds its events, by 700. Nodes and listeners stay to one. */
const HEAP_BYTES = 300_000
const FEW = 20

let pages: AdminPages
let page: Page

beforeAll(async () => {
  pages = await AdminPages.open()
  await fillDesktops(pages.database.as('hkd'), MANY)
  page = await pages.signIn()
  page.setDefaultTimeout(30_000)
})
afterAll(async () => await pages[Symbol.asyncDispose]())

let round = 0

/** Changes desktops so many times, and waits each time until the page shows it. */
async function events(count: number, shows: (round: number) => string): Promise<void> {
  for (const last = round + count; round < last;) {
    await stir(pages.database.as('hkd'), ++round, STIRRED)
    await page.waitForSelector(shows(round))
  }
}

test.each([
  ['#/desktops', 'Desktops', (now: number) => `tbody tr:has-text("desk00001") td:has-text("round ${now}")`],
  // Its state is another one with each round.
  ['#/desktops/desk00001', 'desk00001', (now: number) => `article > header .state.${stateIn(now)}`],
])(
  '%s holds no more after hundreds of changes than after some',
  async (place, heading, shows) => {
    await goTo(page, place, heading)
    const meter = await memoryMeter(page)
    await events(FIRST, shows)
    const before = await meter()
    await events(MORE, shows)
    const after = await meter()
    console.log(
      `${place}: ${before.heapBytes} → ${after.heapBytes} bytes, ${before.nodes} → ${after.nodes} nodes, ` +
        `${before.listeners} → ${after.listeners} listeners`,
    )
    expect(after.heapBytes - before.heapBytes).toBeLessThan(HEAP_BYTES)
    expect(after.nodes - before.nodes).toBeLessThan(FEW)
    expect(after.listeners - before.listeners).toBeLessThan(FEW)
  },
  180_000,
)

function stateIn(now: number): string {
  return now % 2 === 0 ? 'running' : 'preparing'
}
