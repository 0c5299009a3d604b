import { chownSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { hookFileProblem } from './hook-file.ts'

const SOMEBODY = 12_345

let folder: string
let hook: string

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'ostler-hook-')))
  hook = join(folder, 'hook')
  mkdirSync(join(folder, 'home'))
  writeFileSync(join(folder, 'program'), '#!/bin/sh\n', { mode: 0o755 })
  symlinkSync(join(folder, 'program'), join(folder, 'home/link'))
  chownSync(join(folder, 'home'), SOMEBODY, SOMEBODY)
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

test('links may lead on to each other among root’s folders', () => {
  symlinkSync('program', join(folder, 'first'))
  symlinkSync('first', hook)
  expect(hookFileProblem(hook)).toBeUndefined()
})

test('a chain of links may not pass a folder of somebody else, who could lead it elsewhere', () => {
  symlinkSync('home/link', hook)
  expect(hookFileProblem(hook)).toContain(`belongs to user ${SOMEBODY}, not to root`)
})

test('nor may a folder on the way be reached through such a link', () => {
  symlinkSync(folder, join(folder, 'home/back'))
  chownSync(join(folder, 'home'), SOMEBODY, SOMEBODY)
  symlinkSync('home/back', join(folder, 'way'))
  expect(hookFileProblem(join(folder, 'way/program'))).toContain(`belongs to user ${SOMEBODY}`)
})
