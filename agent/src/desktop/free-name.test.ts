import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { freeName } from './free-name.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-free-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

test('a file goes, and a missing one is fine', () => {
  const name = join(folder, 'name')
  writeFileSync(name, '')
  freeName(name)
  freeName(name)
  expect(readdirSync(folder)).toEqual([])
})

test('what a link leads to stays', () => {
  const [name, other] = [join(folder, 'name'), join(folder, 'other')]
  mkdirSync(other)
  symlinkSync(other, name)
  freeName(name)
  expect(readdirSync(folder)).toEqual(['other'])
})

test('a folder gets another name, and keeps what is in it', () => {
  const name = join(folder, 'name')
  mkdirSync(join(name, 'inner'), { recursive: true })
  freeName(name)
  expect(existsSync(name)).toBe(false)
  const [moved = ''] = readdirSync(folder)
  expect(readdirSync(join(folder, moved))).toEqual(['inner'])
})
