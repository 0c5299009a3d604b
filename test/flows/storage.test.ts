import { run } from '@ostler/kit/run.ts'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, until, type World } from '../fixtures/world.ts'

/** Images, overlays and orders on a real node, by `qa`. */
let world: World
let storage: string

beforeAll(async () => {
  world = await startWorld()
  storage = join(world.node.settings.folder, 'state/storage')
}, 120_000)
afterAll(() => world[Symbol.asyncDispose]())

async function untilSaid(command: string, wanted: RegExp): Promise<string> {
  let said = ''
  await until(`${command} to say ${String(wanted)}`, async () =>
    wanted.test((said = await world.qa(command))),
  )
  return said
}

/** An archive of a system that has an sbin and nothing that runs. */
async function stageHollow(name: string): Promise<void> {
  const top = mkdtempSync(join(storage, '.pack-'))
  for (const folder of ['sbin', 'usr', 'etc']) mkdirSync(join(top, folder))
  await run('tar', ['--create', '--gzip', '--file', join(storage, 'staging', name), '--directory', top, '.'])
  rmSync(top, { recursive: true })
}

test('an image that cannot be read is broken, says so in the list, and its desktops get the reason', async () => {
  writeFileSync(join(storage, 'staging/broken.tar'), 'this is no archive')
  await world.qa('osf add name=broken memory=256')
  await world.qa('di add name=broken osf=broken kind=tarball path=broken.tar')
  await untilSaid('di list', /broken\.tar .*: broken \(.*cannot be read as an archive/)
  await world.addUser('ann', 'broken')
  await world.qa('vm start -f name=ann')
  await world.untilVm('ann', 'failed')
  expect(await world.qa('vm explain -f name=ann')).toMatch(
    /^ann is failed: the disk image broken cannot be used: .*cannot be read as an archive/,
  )
  expect(readdirSync(join(storage, 'images')).filter((name) => name.includes('broken'))).toEqual([])
})

test('a start that fails keeps its overlay and its log, which explain lists', async () => {
  await stageHollow('hollow.tar.gz')
  await world.qa('osf add name=hollow memory=256')
  const added = await world.qa(
    `di add name=hollow osf=hollow kind=tarball path=${join(storage, 'staging/hollow.tar.gz')}`,
  )
  const image = Number(/id (\d+)/.exec(added)?.[1])
  await untilSaid('di list', /hollow\.tar\.gz .*: ready/)
  const id = await world.addUser('bob', 'hollow')
  await world.qa('vm start -f name=bob')
  await world.untilVm('bob', 'failed')
  expect(readdirSync(join(storage, 'images'))).toContain(`${image}-hollow.tar.gz`)
  expect(readdirSync(join(storage, 'basefs'))).toContain(`${image}-hollow`)
  const kept = join(storage, `overlayfs/failed/${id}-1`)
  expect(await world.qa('vm explain -f name=bob')).toContain(kept)
  expect(readdirSync(kept)).toEqual(expect.arrayContaining([`${image}-${id}-overlayfs`, 'fault.txt']))
  expect(readFileSync(join(kept, 'fault.txt'), 'utf8')).not.toBe('')
  const lock = join(storage, `overlayfs/lock.${id}-overlay`)
  await run('flock', ['--exclusive', '--nonblock', lock, 'true'])
})

test('a desktop that runs has its overlay by number, locked, and frees it when it stops', async () => {
  const id = await world.addUser('eve')
  await world.qa('vm start -f name=eve')
  await world.untilVm('eve', 'running')
  const overlays = join(storage, 'overlayfs')
  expect(readdirSync(overlays).filter((name) => name.endsWith(`-${id}-overlayfs`))).toHaveLength(1)
  const lock = join(overlays, `lock.${id}-overlay`)
  const { pid } = JSON.parse(readFileSync(lock, 'utf8')) as { pid: number }
  await expect(run('flock', ['--exclusive', '--nonblock', lock, 'true'])).rejects.toThrow()
  expect(readFileSync(`/proc/${pid}/cgroup`, 'utf8')).toContain('/ostler-apart')
  await world.qa('vm stop -f name=eve')
  await world.untilVm('eve', 'stopped')
  expect(existsSync(`/proc/${pid}`)).toBe(false)
  await run('flock', ['--exclusive', '--nonblock', lock, 'true'])
})

test('what nothing needs is listed with its size and why, and only what is named of it is removed', async () => {
  expect(await world.qa('storage orphans')).toBe('nothing is there that nothing needs')
  await stageHollow('spare.tar.gz')
  await world.qa('osf add name=spare memory=256')
  const added = await world.qa('di add name=spare osf=spare kind=tarball path=spare.tar.gz')
  const image = /id (\d+)/.exec(added)?.[1] ?? ''
  await untilSaid('di list', /spare\.tar\.gz .*: ready/)
  await world.qa(`di del -f id=${image}`)
  mkdirSync(join(storage, 'overlayfs/1-99999-overlayfs'))
  const listed = await world.qa('storage orphans')
  expect(listed).toMatch(/overlay +\d+ kB .*1-99999-overlayfs +there is no desktop 99999/)
  const [, id] =
    new RegExp(`^(\\d+) .*/images/${image}-spare\\.tar\\.gz +it is the file of no image`, 'm').exec(listed) ??
    []
  expect(await world.qa(`storage purge ids=${id ?? ''}`)).toMatch(/^\d+ removed: .*spare\.tar\.gz$/)
  expect(existsSync(join(storage, `images/${image}-spare.tar.gz`))).toBe(false)
  expect(existsSync(join(storage, 'overlayfs/1-99999-overlayfs'))).toBe(true)
  await expect(world.qa(`storage purge ids=${id ?? ''}`)).rejects.toThrow(
    'was not listed, or is removed already',
  )
  await expect(world.qa('storage purge all')).rejects.toMatchObject({ code: 'client.choice' })
})
