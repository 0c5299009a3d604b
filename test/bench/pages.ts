import type { Page } from 'playwright-core'
import { setTimeout as sleep } from 'node:timers/promises'
import { AdminPages } from '../fixtures/admin-pages.ts'
import { goTo } from '../fixtures/admin-steps.ts'
import { fillDesktops, fillLists } from '../fixtures/many-desktops.ts'
import { memoryMeter, stir } from '../fixtures/page-memory.ts'
import { load, median, print } from './figures.ts'

/**
 * The administrators' pages over ten thousand desktops: how long each list takes from the click to its rows, and what pages hold
 * while desktops change without a pause. Prints; never judges.
 *
 * Arguments: how many desktops, and for how many minutes desktops change.
 */
const MANY = Number(process.argv[2] ?? 10_000)
const MINUTES = Number(process.argv[3] ?? 10)
const TIMES = 5
/** Desktops that change each time. */
const STIRRED = 40
const STIR_MS = 100
/** From one place to another, where the event loop is needed by the api, which is in this process. */
const PATIENCE_MS = 60_000

const ROW = '[data-ready=true] >> nth=0'
/** Places, their headings, what is there when they can be used, and what is searched for. */
const PLACES = [
  ['#/', 'Overview', '.figures li', undefined],
  ['#/desktops', 'Desktops', ROW, 'desk09912'],
  ['#/desktops/desk00001', 'desk00001', '.pairs dd', undefined],
  ['#/users', 'Users', ROW, 'person9912'],
  ['#/users/user1', 'user1', '.lines li, tbody tr, dl', undefined],
  ['#/nodes', 'Nodes', ROW, 'node191'],
  ['#/flavours', 'Flavours', ROW, 'flavour912'],
  ['#/images', 'Images', ROW, 'image912'],
  ['#/roll-outs', 'Roll-outs', ROW, undefined],
  ['#/configuration', 'Configuration', 'tbody tr', undefined],
  ['#/notices', 'Notices', ROW, undefined],
  ['#/audit', 'Audit log', 'tbody tr', undefined],
] as const
const [NOTICES, CONFIGURATION] = [
  ['#/notices', 'Notices'],
  ['#/configuration', 'Configuration'],
] as const
const WATCHED = ['#/', '#/desktops', '#/desktops/desk00001', '#/nodes'] as const

await using pages = await AdminPages.open()
print(`filling; load average: ${load()}`)
await fillDesktops(pages.database.as('hkd'), MANY)
await fillLists(pages.database.as('hkd'), MANY)
await lists(await pages.signIn())
await memory()
print(`load average at the end: ${load()}`)

/** How long each place takes, from the click until it can be used. */
async function lists(page: Page): Promise<void> {
  page.setDefaultTimeout(PATIENCE_MS)
  print(`\n${MANY} desktops: ms until it can be used, of ${TIMES} times each; load average: ${load()}`)
  print(
    `${'place'.padEnd(24)} ${['median', 'max', 'loaded anew', 'search'].map((each) => each.padStart(12)).join('')}`,
  )
  for (const [place, heading, sign, search] of PLACES) {
    const taken: number[] = []
    for (let time = 0; time < TIMES; time++) {
      const [away, title] = place === '#/notices' ? CONFIGURATION : NOTICES
      await goTo(page, away, title)
      await sleep(300)
      taken.push(await timed(() => goTo(page, place, heading).then(() => usable(page, sign))))
    }
    const anew = await timed(() => page.reload().then(() => usable(page, sign)))
    const searched = search === undefined ? '–' : String(await timed(() => searchFor(page, search)))
    const figures = [median(taken), Math.max(...taken), anew, searched]
    print(`${place.padEnd(24)} ${figures.map((each) => String(each).padStart(12)).join('')}`)
  }
}

/** Until what tells of it is there, with a row that has come. */
async function usable(page: Page, sign: string): Promise<void> {
  await page.waitForSelector(sign)
  if (sign === ROW) await page.waitForSelector('tbody tr:not(.coming):not([aria-hidden])')
}

async function searchFor(page: Page, text: string): Promise<void> {
  await page.fill('input[type=search]', text)
  await page.waitForSelector(`tbody tr:not(.coming):not([aria-hidden]):has-text("${text}") >> nth=0`)
  await page.waitForSelector('[data-ready=true]')
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return Math.round(performance.now() - began)
}

/** What pages hold while desktops change, minute by minute. */
async function memory(): Promise<void> {
  const db = pages.database.as('hkd')
  const watched = []
  for (const place of WATCHED) {
    const page = await pages.signIn(pages.token, await pages.newBrowser())
    await page.evaluate(`location.hash = ${JSON.stringify(place)}`)
    let bytes = 0
    const session = await page.context().newCDPSession(page)
    await session.send('Network.enable')
    session.on('Network.dataReceived', ({ dataLength }) => (bytes += dataLength))
    watched.push({ place, meter: await memoryMeter(page), received: () => bytes })
  }
  print(`\n${STIRRED} desktops change every ${STIR_MS} ms for ${MINUTES} minutes; load average: ${load()}`)
  print(`${'minute'.padEnd(8)}${WATCHED.map((place) => place.padStart(40)).join('')}`)
  const began = performance.now()
  let round = 0
  for (let minute = 0; minute <= MINUTES; minute++) {
    while (performance.now() - began < minute * 60_000) {
      await stir(db, ++round, STIRRED)
      await sleep(STIR_MS)
    }
    const cells = []
    for (const { meter, received } of watched) {
      const { heapBytes, nodes, listeners } = await meter()
      const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(2)
      cells.push(`${megabytes(heapBytes)} MB ${nodes} n ${listeners} l ${megabytes(received())} in`)
    }
    print(`${String(minute).padEnd(8)}${cells.map((cell) => cell.padStart(40)).join('')}`)
  }
  print(`${round} rounds, ${round * STIRRED} changes of desktops`)
}
