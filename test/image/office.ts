import { comesToHold } from '@ostler/kit/poll.ts'
import { expect } from 'vitest'
import { canvasShare, openBrowser } from '../fixtures/browser.ts'
import { timed, type Typed, typeAll, typedIn } from '../fixtures/guide.ts'
import { GuideRoom } from '../fixtures/guide-room.ts'
import { startWorld, until, type World } from '../fixtures/world.ts'
import { openScreen } from '../fixtures/x-screen.ts'
import { openCache } from '../vm/cache.ts'

/** The guide to images. */
const BLOCKS = typedIn('image-builder.md', 'An office with LXDE')
/** What bob is told in it. */
const [LOGIN, GUIDES_PASSWORD, DESKTOP] = ['bob', 'a good password', 'bob-studio']
/** The ground that the guide gives its desktops. */
const GROUND = '#205080'
/** Longer than a step takes on a machine that has other work. */
const STEP_MS = 120_000

const lists = async (world: World): Promise<string[]> =>
  await Promise.all(['osf', 'di', 'user', 'vm'].map((object) => world.qa(`${object} list`)))

/** The blocks from the one that has a word up to, and without, the one that has another. */
function blocks(first: string, last?: string): string[] {
  const place = (word: string): number => {
    const found = BLOCKS.findIndex((block) => block.includes(word))
    if (found === -1) throw new Error(`the guide has no block with ${word}`)
    return found
  }
  return BLOCKS.slice(place(first), last === undefined ? BLOCKS.length : place(last))
}

/**
 * Types the guide on a node of its own, and prints how long each step took.
 * @param end how far: the desktop in the browser and in the native client, or also its next version.
 */
export async function followGuide(end: 'desktop' | 'next version'): Promise<void> {
  await using world = await startWorld()
  using room = await GuideRoom.open(world, ['ostler-image', 'ostler-hooks-examples'], {
    '/var/cache/ostler-image': openCache('test-image'),
  })
  const type = (block: string) => room.type(block)

  let seconds = await typeAll(type, blocks('apt install', 'ostler-image check'))
  const before = await lists(world)
  seconds += await typeAll(type, blocks('ostler-image check', 'qa osf add'))
  expect(await lists(world)).toEqual(before)
  seconds += await typeAll(type, blocks('qa osf add', 'ostler connect'))
  seconds += await timed('(bob signs in at the portal and clicks his desktop)', () => inBrowser(world))
  const [connect = ''] = blocks('ostler connect')
  seconds += await timed(connect, () => inClient(room, connect))
  if (end === 'next version') seconds += await typeAll(type, blocks('ostler-image edit'))
  console.log(`${seconds.toFixed(1).padStart(6)} s  in all`)
  if (end === 'desktop') return

  expect(await world.qa('di list')).toMatch(/studio-2\b.*\bnext\b/)
  const stopped = async (): Promise<boolean> => (await world.vm(DESKTOP)).state === 'stopped'
  await until('the desktop to be stopped', stopped, STEP_MS)
  await world.qa(`vm start -f name=${DESKTOP}`)
  const running = async (): Promise<boolean> => (await world.vm(DESKTOP)).state === 'running'
  await until('the desktop to run', running, STEP_MS)
  const { id } = await world.vm(DESKTOP)
  const status = ['dpkg-query', '--show', '--showformat=${Status}', 'galculator']
  expect(await world.inside(id, status)).toBe('install ok installed')
}

async function inBrowser(world: World): Promise<Typed> {
  await using browser = await openBrowser()
  const page = await browser.openDesktop(world, LOGIN, GUIDES_PASSWORD)
  let share = 0
  const shows = async (): Promise<boolean> => (share = await canvasShare(page, GROUND)) > 0.5
  await until('the ground of the guide in the browser', shows, STEP_MS)
  // A panel stands on it.
  expect(share).toBeLessThan(0.999)
  return { code: 0, said: '' }
}

async function inClient(room: GuideRoom, block: string): Promise<Typed> {
  await using screen = await openScreen()
  await using client = room.start(block, { DISPLAY: screen.display })
  const shows = async (): Promise<boolean> => (await screen.share(GROUND)) > 0.3
  if (!(await comesToHold(shows, STEP_MS, 200)))
    throw new Error(`there is no picture with the ground of the guide; the client said: ${client.said()}`)
  return { code: 0, said: client.said() }
}
