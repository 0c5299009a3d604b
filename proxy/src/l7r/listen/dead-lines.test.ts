import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { DeadLines } from './dead-lines.ts'

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'
/** 10.99.7.2:43210 to our port 8443, and the same over a socket of both families. */
const [V4, MAPPED] = ['0100630A:20FB 0207630A:A8CA', `${mapped('0100630A')}:20FB ${mapped('0207630A')}:A8CA`]
/** fe80::1:2:3 port 1 to ours. */
const V6 = '000080FE00000000000000000100FEFF:20FB 000080FE000000000100000003000200:0001'

function mapped(address: string): string {
  return `0000000000000000FFFF0000${address}`
}

/** A table with one connection that was sent the same so often. */
function row(ends: string, timer: '00' | '01' | '04', resent: number): string {
  return `${HEAD}   0: ${ends} 01 00000010:00000000 ${timer}:00000123 ${resent.toString(16).padStart(8, '0')}   995        0 1 2 0 20 4 30 10 -1\n`
}

/** A connection, without one, that looks as if it came from there. */
function socketFrom(remoteAddress: string, remotePort: number): Socket {
  const socket = new Socket()
  socket.on('error', () => {})
  for (const [name, value] of Object.entries({ remoteAddress, remotePort, localPort: 8443 }))
    Object.defineProperty(socket, name, { value })
  return socket
}

function tableWith(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-lines-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const table = join(folder, 'tcp')
  writeFileSync(table, text)
  return table
}

const [LOOK_MS, PATIENCE_MS] = [1_000, 40_000]

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }))
afterEach(() => void vi.useRealTimers())

test.each([
  ['IPv4', V4, '10.99.7.2', 43_210],
  ['IPv4 at a socket of both', MAPPED, '::ffff:10.99.7.2', 43_210],
  ['IPv6', V6, 'fe80::1:2:3', 1],
])('who acknowledges nothing any more is closed: %s', async (_, ends, address, port) => {
  using lines = new DeadLines([tableWith(row(ends, '01', 3)), '/nowhere'], LOOK_MS)
  const [gone, other] = [socketFrom(address, port), socketFrom(address, port + 1)]
  const error = once(gone, 'error')
  lines.watch(gone, PATIENCE_MS)
  lines.watch(other, PATIENCE_MS)
  vi.advanceTimersByTime(PATIENCE_MS)
  expect(gone.destroyed).toBe(false)
  vi.advanceTimersByTime(LOOK_MS)
  expect(await error).toMatchObject([{ code: 'ETIMEDOUT' }])
  expect(other.destroyed).toBe(false)
})

test.each([
  ['was sent something for the first time', row(V4, '01', 0)],
  ['has no room, and says so when asked', row(V4, '04', 3)],
  ['has nothing under way', row(V4, '00', 0)],
])('who %s stays', (_, text) => {
  using lines = new DeadLines([tableWith(text)], LOOK_MS)
  const socket = socketFrom('10.99.7.2', 43_210)
  lines.watch(socket, PATIENCE_MS)
  vi.advanceTimersByTime(4 * PATIENCE_MS)
  expect(socket.destroyed).toBe(false)
})

test('an acknowledgement in between begins it anew', () => {
  const table = tableWith(row(V4, '01', 3))
  using lines = new DeadLines([table], LOOK_MS)
  const socket = socketFrom('10.99.7.2', 43_210)
  lines.watch(socket, PATIENCE_MS)
  for (let round = 0; round < 4; round++) {
    vi.advanceTimersByTime(PATIENCE_MS - LOOK_MS)
    writeFileSync(table, row(V4, '00', 0))
    vi.advanceTimersByTime(LOOK_MS)
    writeFileSync(table, row(V4, '01', 1))
  }
  expect(socket.destroyed).toBe(false)
  vi.advanceTimersByTime(PATIENCE_MS + LOOK_MS)
  expect(socket.destroyed).toBe(true)
})
