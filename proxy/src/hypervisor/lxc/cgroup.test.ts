import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { processesIn } from './cgroup.ts'

let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'ostler-cgroup-'))))
afterEach(() => rmSync(folder, { recursive: true }))

function makeGroup(name: string, members: readonly number[]): void {
  mkdirSync(join(folder, name), { recursive: true })
  writeFileSync(join(folder, name, 'cgroup.procs'), members.map((pid) => `${pid}\n`).join(''))
}

test("a group's processes are its own and those of the groups below", () => {
  makeGroup('payload', [11, 12])
  makeGroup('payload/system', [13])
  expect(processesIn(join(folder, 'payload'))).toEqual([11, 12, 13])
})

test('a group that is not there has none', () => {
  expect(processesIn(join(folder, 'payload'))).toEqual([])
})

test('a group that goes while it is read has none, and its neighbours keep theirs', () => {
  makeGroup('payload', [11])
  mkdirSync(join(folder, 'payload', 'gone'))
  expect(processesIn(join(folder, 'payload'))).toEqual([11])
})
