import { appendFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { followLines } from './follow-lines.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-follow-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
function follow(content: string) {
  const path = join(folder, `${++files}.log`)
  writeFileSync(path, content)
  const lines: string[] = []
  const stop = followLines(path, (line) => lines.push(line))
  return { path, lines, [Symbol.dispose]: stop }
}

/** Waits until there are so many lines; gives up when the test does. */
async function arrival(lines: readonly string[], count: number): Promise<void> {
  while (lines.length < count) await sleep(5)
}

test('the lines that are there are told at once', () => {
  using file = follow('one\ntwo\n')
  expect(file.lines).toEqual(['one', 'two'])
})

test('lines are told as the file grows', async () => {
  using file = follow('')
  appendFileSync(file.path, 'one\n')
  await arrival(file.lines, 1)
  appendFileSync(file.path, 'two\nthree\n')
  await arrival(file.lines, 3)
  expect(file.lines).toEqual(['one', 'two', 'three'])
})

test('a partial line waits for its end', async () => {
  using file = follow('one\nhal')
  expect(file.lines).toEqual(['one'])
  appendFileSync(file.path, 'f a')
  appendFileSync(file.path, ' line\nrest')
  await arrival(file.lines, 2)
  expect(file.lines).toEqual(['one', 'half a line'])
})

test('lines longer than what is read at once stay whole', () => {
  const long = 'x'.repeat(50_000)
  using file = follow(`${long}\n${long}y\n`)
  expect(file.lines).toEqual([long, `${long}y`])
})

test('after stopping nothing is told, and stopping twice is fine', async () => {
  const path = join(folder, 'stopped.log')
  writeFileSync(path, '')
  const lines: string[] = []
  const stop = followLines(path, (line) => lines.push(line))
  stop()
  stop()
  appendFileSync(path, 'one\n')
  using witness = follow('')
  appendFileSync(witness.path, 'x\n')
  await arrival(witness.lines, 1)
  expect(lines).toEqual([])
})

test('whoever stops in the middle of a line is told no more', async () => {
  const path = join(folder, 'middle.log')
  writeFileSync(path, '')
  const lines: string[] = []
  const stop = followLines(path, (line) => {
    lines.push(line)
    stop()
  })
  appendFileSync(path, 'one\ntwo\nthree\n')
  await arrival(lines, 1)
  expect(lines).toEqual(['one'])
})

test('no descriptor is left open', () => {
  const before = readdirSync('/proc/self/fd').length
  for (let i = 0; i < 20; i++) follow('x\n')[Symbol.dispose]()
  expect(readdirSync('/proc/self/fd').length).toBeLessThan(before + 20)
})
