import { run } from '@ostler/kit/run.ts'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { stageCommand, stagePlaces } from './stage.ts'

/** On a disk: the stage shows folders with other owners, which not every file system can. */
let folder: string
const at = (name: string): string => join(folder, name)
const HERS = 'homes/8 9/mount'
const ANOTHERS = 'homes/7/mount'
const mounts = (): string => readFileSync('/proc/self/mountinfo', 'utf8')

beforeEach(async () => {
  folder = mkdtempSync('/var/lib/ostler-stage-')
  for (const name of ['stage', 'image/etc', 'overlay/upper', 'overlay/work', 'display', 'boot'])
    mkdirSync(at(name), { recursive: true })
  for (const name of [HERS, ANOTHERS]) {
    mkdirSync(at(name), { recursive: true })
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'ostler-test', at(name)])
  }
  writeFileSync(at(`${HERS}/letter`), 'hers')
})
afterEach(async () => {
  for (const name of [HERS, ANOTHERS]) await run('umount', [at(name)])
  rmSync(folder, { recursive: true })
})

test('a stage shows a desktop its home, and keeps no copy of where homes are mounted', async () => {
  const parts = {
    ...{ folder: at('stage'), users: undefined, image: at('image') },
    ...{ upper: at('overlay/upper'), work: at('overlay/work'), home: at(HERS), homes: at('homes') },
    ...{ display: at('display'), boot: at('boot'), bundle: undefined, usr: undefined },
  }
  const script = `cat ${stagePlaces(parts).home}/letter; cat /proc/self/mountinfo`
  const [command, ...args] = stageCommand(parts, ['sh', '-c', script])
  const { stdout } = await run(command, args)
  expect(stdout).toMatch(/^hers/)
  expect(stdout).toContain(`${at('stage')}/home `)
  expect(stdout).not.toContain(at('homes'))
  expect(mounts()).toContain(at(ANOTHERS))
})
