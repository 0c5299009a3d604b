import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { connectDisplay } from './display-socket.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-display-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let displays = 0
async function openDisplay(play: (socket: Socket) => void) {
  const path = join(folder, `${++displays}.sock`)
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    play(socket)
  })
  server.listen(path)
  await once(server, 'listening')
  const display = connectDisplay({ path })
  await once(display.socket, 'connect')
  server.close()
  return display
}

test('nothing is read before somebody reads, and then nothing is lost', async () => {
  const display = await openDisplay((socket) => socket.end('hello'))
  await new Promise((resolve) => setTimeout(resolve, 50))
  let said = ''
  display.read((bytes) => {
    said += bytes.toString()
    return true
  })
  await once(display.socket, 'end')
  expect(said).toBe('hello')
  display.socket.destroy()
})

test('whoever returns false gets no more until the socket is resumed', async () => {
  const display = await openDisplay((socket) => socket.end(Buffer.alloc(1_000_000)))
  let reads = 0
  let length = 0
  display.read((bytes) => {
    reads += 1
    length += bytes.length
    return false
  })
  const ended = once(display.socket, 'end')
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(reads).toBe(1)
  const timer = setInterval(() => display.socket.resume(), 1)
  await ended
  clearInterval(timer)
  expect(length).toBe(1_000_000)
  display.socket.destroy()
})

test('reads are small at first, and large for a stream that goes on', async () => {
  const chunk = Buffer.alloc(1_000_000)
  const display = await openDisplay((socket) => {
    const more = (): void => {
      while (socket.write(chunk));
    }
    socket.on('drain', more)
    more()
  })
  let length = 0
  const large = new Promise<number>((resolve) =>
    display.read((bytes) => {
      if (bytes.length > 24_576) resolve(length)
      length += bytes.length
      return true
    }),
  )
  expect(await large).toBeGreaterThan(2_000_000)
  display.socket.destroy()
})
