import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildPackages } from './built.ts'
import { lintian } from './lintian.ts'

const LARGEST_AGENT_MB = 45
const LINTIAN_MS = 620_000

let folder: string
let packages: string[]

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-release-'))
  await buildPackages(folder, { compressed: true })
  packages = readdirSync(folder).filter((file) => file.endsWith('.deb'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('as they are released, packages are small, the agent’s above all', () => {
  const megabytes = (file: string): number => statSync(join(folder, file)).size / 1e6
  for (const file of packages) console.log(`${megabytes(file).toFixed(1).padStart(6)} MB  ${file}`)
  expect(packages).toHaveLength(6)
  const agent = packages.find((file) => file.startsWith('ostler-vma_')) ?? ''
  expect(megabytes(agent)).toBeLessThan(LARGEST_AGENT_MB)
})

test(
  'as they are released, Lintian finds nothing in them that has no reason',
  async () => {
    expect(await lintian(packages.map((file) => join(folder, file)))).toBe('')
    console.log(`Lintian finds nothing in ${packages.length} packages`)
  },
  LINTIAN_MS,
)
