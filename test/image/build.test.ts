import { buildImage } from '@ostler/image/build.ts'
import { editImage } from '@ostler/image/edit.ts'
import { readRecipe } from '@ostler/image/recipe.ts'
import { readRelease, type Release } from '@ostler/image/release.ts'
import { run } from '@ostler/kit/run.ts'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../fixtures/world.ts'
import { openCache } from '../vm/cache.ts'

const ROOT = join(import.meta.dirname, '../..')
const PROGRAM = join(ROOT, 'image/src/bin/ostler-image.ts')
const INSIDE = join(ROOT, 'image/inside')
/** A whole system is made, on a machine that may have other work. */
const BUILD_MS = 1_800_000

let folder: string
let built: Release

const place = {
  ...{ inside: INSIDE, self: [process.execPath, PROGRAM] as const, version: undefined },
  tell: () => {},
  signal: new AbortController().signal,
}

beforeAll(async () => {
  folder = mkdtempSync('/var/tmp/ostler-image-test-')
  mkdirSync(join(folder, 'files/etc/skel'), { recursive: true })
  writeFileSync(join(folder, 'files/etc/skel/welcome.txt'), 'to the office\n', { mode: 0o666 })
  writeFileSync(join(folder, 'note'), '#!/bin/sh\nexit 0\n')
  writeFileSync(
    join(folder, 'finish'),
    '#!/bin/sh\nset -e\ndpkg --status nxagent >/dev/null\ndate +%Z >/etc/zone-of-build\n',
  )
  const recipe = write(
    ...['locale = de_DE.UTF-8', 'timezone = Europe/Madrid', 'compress = none'],
    ...['files = files', 'customize = finish', 'hooks = note', 'updates = 0'],
    ...['vma.user.umask = 0027', 'vma.on_action.connect = /etc/ostler/hooks/note'],
  )
  const cache = openCache('test-image')
  built = await buildImage(readRecipe(recipe), { ...place, output: join(folder, 'out'), cache })
}, BUILD_MS)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function write(...lines: string[]): string {
  const file = join(folder, 'office.conf')
  writeFileSync(file, ['name = office', ...lines, ''].join('\n'))
  return file
}

/** Names, modes and owners of an image's files. */
async function listing({ path }: Release): Promise<string[]> {
  const { stdout } = await run('tar', ['--list', '--verbose', '--numeric-owner', '--file', path], {
    maxOutput: 2 ** 26,
    timeoutMs: BUILD_MS,
  })
  return stdout.split('\n')
}

async function read({ path }: Release, file: string): Promise<string> {
  const words = ['--extract', '--to-stdout', '--file', path, `./${file}`]
  const { stdout } = await run('tar', words, { timeoutMs: BUILD_MS })
  return stdout
}

test('what the recipe says is in the image, as root’s, and nothing of the build is', async () => {
  expect(await read(built, 'etc/default/locale')).toBe('LANG=de_DE.UTF-8\n')
  expect(await read(built, 'etc/timezone')).toBe('Europe/Madrid\n')
  expect(await read(built, 'etc/resolv.conf')).toBe('nameserver 10.3.15.1\n')
  expect(await read(built, 'etc/zone-of-build')).toMatch(/^CES?T\n$/)
  expect(await read(built, 'etc/skel/welcome.txt')).toBe('to the office\n')
  expect((await read(built, 'etc/ostler/vma.conf')).split('\n').slice(1)).toEqual([
    ...['vma.user.umask = 0027', 'vma.on_action.connect = /etc/ostler/hooks/note', ''],
  ])
  const files = await listing(built)
  const line = (name: string): string => files.find((each) => each.endsWith(` ./${name}`)) ?? ''
  expect(line('etc/skel/welcome.txt')).toMatch(/^-rw-r--r-- 0\/0 /)
  expect(line('etc/ostler/hooks/note')).toMatch(/^-rwxr-xr-x 0\/0 /)
  expect(line('etc/machine-id')).toMatch(/^-\S+ 0\/0 +0 /)
  const left = /ostler-image|99mmdebstrap|archives\/.*\.deb|apt\/lists\/.+Packages|sbin\/policy-rc\.d/
  expect(files.filter((each) => left.test(each))).toEqual([])
  expect(readdirSync(join(folder, 'out')).sort()).toEqual(
    ['.json', '.sbom.cdx.json', '.sha256', '.tar'].map(
      (ending) => `office-${built.manifest.version}${ending}`,
    ),
  )
})

test(
  'a program in a copy of it makes a new version, and the old one stays',
  async () => {
    const command = ['/bin/sh', '-c', 'echo 2 >/etc/edition; echo secret >/root/.bash_history']
    const edited = await editImage(readRelease(built.path), command, place)
    if (edited === undefined) throw new Error('nothing was made')
    expect(edited.manifest).toMatchObject({
      editedFrom: built.manifest.version,
      packages: built.manifest.packages,
    })
    expect(await read(edited, 'etc/edition')).toBe('2\n')
    expect((await listing(edited)).filter((line) => line.includes('bash_history'))).toEqual([])
    expect(readRelease(built.path).manifest.sha256).toBe(built.manifest.sha256)
    rmSync(edited.path)
  },
  BUILD_MS,
)

test(
  'a program that fails makes nothing',
  async () => {
    const before = readdirSync(join(folder, 'out'))
    await expect(editImage(readRelease(built.path), ['/bin/false'], place)).rejects.toThrow('it ended with 1')
    expect(readdirSync(join(folder, 'out'))).toEqual(before)
  },
  BUILD_MS,
)

test(
  'a shell at a terminal hears Ctrl-C by itself, and its work can be thrown away',
  async () => {
    const before = readdirSync(join(folder, 'out'))
    const command = `${process.execPath} ${PROGRAM} edit ${built.path}; echo "ended $?"`
    const terminal = spawn('script', ['--quiet', '--command', command, '/dev/null'])
    try {
      let seen = ''
      terminal.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString('utf8')))
      const shows = async (text: RegExp): Promise<void> =>
        await until(`the terminal to show ${String(text)}`, () => text.test(seen), BUILD_MS)
      await shows(/throws it away[^]*# $/)
      terminal.stdin.write('echo be""gun; sleep 1000\n')
      await shows(/^begun/m)
      terminal.stdin.write('\x03')
      await shows(/begun[^]*# $/)
      terminal.stdin.write('exit 99\n')
      await shows(/^ended 0/m)
    } finally {
      terminal.kill('SIGKILL')
    }
    expect(readdirSync(join(folder, 'out'))).toEqual(before)
  },
  BUILD_MS,
)
