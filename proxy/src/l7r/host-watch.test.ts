import { silentLog } from '@ostler/kit/log.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openDatabase } from '../store/open.ts'
import { HostWatch } from './host-watch.ts'

/** A database that takes connections and says nothing: as one whose machine is stuck. */
let folder: string
let held: Socket[]
let taken: number
const server = createServer((socket) => {
  taken += 1
  held.push(socket)
  socket.on('error', () => {})
})

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-stuck-'))
  held = []
  taken = 0
  await new Promise<void>((resolve) => server.listen(join(folder, '.s.PGSQL.5432'), resolve))
})
afterEach(async () => {
  for (const socket of held) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
  rmSync(folder, { recursive: true, force: true })
})

const address = () => ({ host: folder, port: 5432, database: 'ostler', user: 'ostler' })

/** Cuts whoever is connected, again and again, until something is done. */
async function cutUntil<T>(done: Promise<T>): Promise<T> {
  const timer = setInterval(() => {
    for (const socket of held.splice(0)) socket.destroy()
  }, 5)
  try {
    return await done
  } finally {
    clearInterval(timer)
  }
}

test('looks at a database that does not answer do not queue up, and none of them rejects', async () => {
  const db = openDatabase(address(), silentLog)
  const watch = await cutUntil(HostWatch.open(db, 'here', silentLog))
  const first = watch.look()
  expect(await comesToHold(() => held.length > 0, 30_000, 5)).toBe(true)
  const many = Array.from({ length: 50 }, () => watch.look())
  const before = taken
  await cutUntil(Promise.all([first, ...many]))
  // One that all of them share, and a few of the clock.
  expect(taken - before).toBeLessThan(10)
  await cutUntil(watch[Symbol.asyncDispose]())
  await db.destroy()
})

test('a node whose row could never be read is as one that has none', async () => {
  const db = openDatabase(address(), silentLog)
  const watch = await cutUntil(HostWatch.open(db, 'here', silentLog))
  expect(() => watch.requireOpen()).toThrow('Host is not registered in the database')
  await cutUntil(watch[Symbol.asyncDispose]())
  await db.destroy()
})
