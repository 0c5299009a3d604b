import { once } from 'node:events'
import { linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { reachDisplay } from './reach.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-reach-'))
const real = join(folder, 'nx.sock')
const server = createServer({ allowHalfOpen: true }, (socket: Socket) =>
  socket.on('error', () => {}).end('hello'),
)

beforeAll(async () => {
  server.listen(real)
  await once(server, 'listening')
})
afterAll(() => {
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

test('a real socket is reached, and nothing of what it says is lost', async () => {
  const display = await reachDisplay(7, real)
  let said = ''
  display.read((bytes) => {
    said += bytes.toString()
    return true
  })
  await once(display.socket, 'end')
  expect(said).toBe('hello')
  display.socket.destroy()
})

test('a symbolic link is refused even when it leads to a valid socket', async () => {
  const link = join(folder, 'link.sock')
  symlinkSync(real, link)
  await expect(reachDisplay(7, link)).rejects.toMatchObject({
    code: 'display.unreachable',
    detail: { desktop: 7, reason: 'this is not a socket' },
  })
})

test('a plain file, a folder and nothing at all are refused', async () => {
  writeFileSync(join(folder, 'file'), '')
  mkdirSync(join(folder, 'folder'))
  for (const name of ['file', 'folder', 'missing'])
    await expect(reachDisplay(7, join(folder, name))).rejects.toMatchObject({ code: 'display.unreachable' })
})

test('a socket at which nobody listens any more is refused', async () => {
  const path = join(folder, 'dead.sock')
  const dead = createServer().listen(join(folder, 'tmp.sock'))
  await once(dead, 'listening')
  linkSync(join(folder, 'tmp.sock'), path)
  dead.close()
  await once(dead, 'close')
  await expect(reachDisplay(7, path)).rejects.toMatchObject({ code: 'display.unreachable' })
})

test('no descriptor is left open by what was refused', async () => {
  const before = readdirSync('/proc/self/fd').length
  for (let i = 0; i < 20; i++) await reachDisplay(7, join(folder, 'file')).catch(() => {})
  expect(readdirSync('/proc/self/fd').length).toBeLessThan(before + 10)
})
