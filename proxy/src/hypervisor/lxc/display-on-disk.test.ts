import { run } from '@ostler/kit/run.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { makeRunFolder, removeRunFolder } from '../run-folders.ts'
import { displayOnDisk } from './display-on-disk.ts'

const scope = new Scope()
afterAll(() => scope.close())

test('a display on the disk is found again, made anew, and goes with the run folder', async () => {
  const folder = mkdtempSync('/var/lib/ostler-display-test-')
  scope.defer(() => rmSync(folder, { recursive: true, force: true }))
  const made = await makeRunFolder(join(folder, 'run'), 7, 'lxc', 0)
  mkdirSync(join(folder, 'disk'))
  await displayOnDisk(made.display, join(folder, 'disk/first'))
  await makeRunFolder(join(folder, 'run'), 7, 'lxc', 0)
  await displayOnDisk(made.display, join(folder, 'disk/second'))
  await run('touch', [join(made.display, 'nx.sock')])
  expect(existsSync(join(folder, 'disk/second/nx.sock'))).toBe(true)
  expect(statSync(made.display).mode & 0o777).toBe(0o751)
  await removeRunFolder(made, [made.display])
  expect(existsSync(made.root)).toBe(false)
  expect(existsSync(join(folder, 'disk/second/nx.sock'))).toBe(true)
  expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(folder)
})
