import { buildImage } from '@ostler/image/build.ts'
import { checkImage } from '@ostler/image/check.ts'
import { readRecipe } from '@ostler/image/recipe.ts'
import { ENOUGH } from '@ostler/image/rfb-look.ts'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../fixtures/world.ts'
import { openCache } from '../vm/cache.ts'

const IMAGE = join(import.meta.dirname, '../../image')
const RECIPES = readdirSync(join(IMAGE, 'recipes')).map((file) => [file.replace('.conf', '')] as const)

let folder: string
let world: World

beforeAll(async () => {
  folder = mkdtempSync('/var/tmp/ostler-recipes-')
  world = await startWorld()
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

test.each(RECIPES)('a desktop of the recipe %s shows its environment', async (name) => {
  const place = {
    ...{ output: folder, cache: openCache('test-image'), version: '1', inside: join(IMAGE, 'inside') },
    self: [process.execPath, join(IMAGE, 'src/bin/ostler-image.ts')] as const,
    tell: (text: string) => console.log(`${name}: ${text}`),
    signal: new AbortController().signal,
  }
  const built = await buildImage(readRecipe(join(IMAGE, 'recipes', `${name}.conf`)), place)
  const door = { host: '127.0.0.1', port: world.port }
  const picture = await checkImage(built, { ...place, api: world.api, door })
  expect(picture.colours).toBeGreaterThanOrEqual(ENOUGH)
  rmSync(built.path)
})
