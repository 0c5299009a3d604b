import { run } from '@ostler/kit/run.ts'
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { installedPackages } from './bill.ts'
import { type About, nextVersion, readRelease, release } from './release.ts'

const ABOUT: About = {
  ...{ name: 'office', version: '7', distribution: 'debian', suite: 'bookworm' },
  format: 'lxc',
  ...{ desktop: 'xfce', recipe: 'name = office\n' },
}
const STATUS = `Package: zsh
Status: deinstall ok config-files
Version: 5.9-4
Architecture: amd64

Package: ostler-vma
Status: install ok installed
Architecture: amd64
Version: 0.1.0
Description: agent
 Version: not this one

Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2:2.36-9+deb12u9
`

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-release-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function made() {
  const draft = join(folder, 'draft.tar.gz')
  writeFileSync(draft, 'a system')
  return await release(draft, folder, ABOUT, installedPackages(STATUS))
}

test('an image has a manifest, a list of parts and a checksum beside it', async () => {
  const { path, manifest } = await made()
  expect(readdirSync(folder).sort()).toEqual([
    ...['office-7.json', 'office-7.sbom.cdx.json', 'office-7.sha256', 'office-7.tar.gz'],
  ])
  expect(manifest).toMatchObject({ ...ABOUT, file: 'office-7.tar.gz', bytes: 8, agent: '0.1.0', packages: 2 })
  expect(readRelease(path)).toEqual({ path, manifest })
  const { stdout } = await run('sha256sum', ['--check', 'office-7.sha256'], { cwd: folder })
  expect(stdout).toBe('office-7.tar.gz: OK\n')
})

test('the list of parts names what is installed, and nothing that is gone', async () => {
  await made()
  const bill = JSON.parse(readFileSync(join(folder, 'office-7.sbom.cdx.json'), 'utf8')) as {
    components: { name: string; purl: string }[]
  }
  expect(bill.components.map(({ purl }) => purl)).toEqual([
    'pkg:deb/debian/libc6@2%3A2.36-9%2Bdeb12u9?arch=amd64',
    'pkg:deb/debian/ostler-vma@0.1.0?arch=amd64',
  ])
})

test('a file that is no image, or no longer that one, is refused', async () => {
  const { path } = await made()
  expect(() => readRelease(join(folder, 'other.tar'))).toThrow('there is no such file')
  appendFileSync(path, 'more')
  expect(() => readRelease(path)).toThrow('its size is not what its manifest says')
  rmSync(join(folder, 'office-7.json'))
  expect(() => readRelease(path)).toThrow('is not there, or no manifest')
})

test('versions are the day and a number that is not taken', () => {
  const now = new Date('2026-03-01T12:00:00Z')
  expect(nextVersion(folder, 'office', now)).toBe('2026-03-01-000')
  for (const taken of [
    'office-2026-03-01-004.json',
    'office-x-2026-03-01-009.json',
    'office-2026-02-28-007.json',
  ])
    writeFileSync(join(folder, taken), '')
  expect(nextVersion(folder, 'office', now)).toBe('2026-03-01-005')
})
