import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeRunFolder, removeRunFolder, runFoldersHere } from './run-folders.ts'

let run: string
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'ostler-run-'))
})
afterEach(() => rmSync(run, { recursive: true }))

test('a run folder says whose desktop it is, until it is removed', async () => {
  const made = await makeRunFolder(run, 7, 'kvm', 0)
  const others = await makeRunFolder(run, 12, 'process', 0)
  expect(runFoldersHere(run).toSorted((a, b) => a.id - b.id)).toEqual([
    { id: 7, driver: 'kvm' },
    { id: 12, driver: 'process' },
  ])
  for (const folder of [made, others]) await removeRunFolder(folder, [folder.display])
  expect(runFoldersHere(run)).toEqual([])
})

test('a folder that says nothing, or what nobody knows, is nobody’s; what is no desktop is left out', () => {
  for (const name of ['3', '4', 'lost+found']) mkdirSync(join(run, 'desktops', name), { recursive: true })
  writeFileSync(join(run, 'desktops/4/driver'), 'bhyve')
  expect(runFoldersHere(run).toSorted((a, b) => a.id - b.id)).toEqual([
    { id: 3, driver: undefined },
    { id: 4, driver: undefined },
  ])
})

test('a node that has had no desktop has none', () => {
  expect(runFoldersHere(run)).toEqual([])
})
