import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { duplexPair } from 'node:stream'
import { text } from 'node:stream/consumers'
import { beforeEach, expect, test } from 'vitest'
import { showByRdpFile } from './rdp-file.ts'

let folder: string
let file: string
let abort: AbortController
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-rdp-'))
  file = join(folder, 'desktop.rdp')
  abort = new AbortController()
  return () => rmSync(folder, { recursive: true })
})

/** Shows a display that says `hello`; resolves when the file is there. */
async function show(withinMs?: number) {
  const [stream, far] = duplexPair()
  far.write('hello')
  const told = Promise.withResolvers<string>()
  const display = {
    first: { stream: stream, head: Buffer.from('head ') },
    further: undefined,
    title: 'ann',
  }
  const end = showByRdpFile(display, file, told.resolve, abort.signal, withinMs)
  const sentence = await told.promise
  const port = Number(/^full address:s:127\.0\.0\.1:(\d+)\r$/m.exec(readFileSync(file, 'latin1'))?.[1])
  return { end, far, sentence, port }
}

test('a program of the user gets the display, and the file is gone', async () => {
  const { end, far, sentence, port } = await show()
  expect(sentence).toContain(file)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const client = connect(port, '127.0.0.1')
  const heard = text(client)
  await new Promise((resolve) => client.once('data', resolve))
  expect(existsSync(file)).toBe(false)
  far.end()
  await end
  expect(await heard).toBe('head hello')
})

test.runIf(process.getuid?.() === 0)('another user gets nothing, and is not in the way', async () => {
  const { end, port } = await show()
  const program = `require('net').connect(${port}, '127.0.0.1').on('error', () => {}).pipe(process.stdout)`
  const stranger = spawn('node', ['-e', program], { uid: 65_534, gid: 65_534 })
  expect(await text(stranger.stdout)).toBe('')
  expect(existsSync(file)).toBe(true)
  const client = connect(port, '127.0.0.1')
  const heard = new Promise((resolve) => client.once('data', (bytes) => resolve(bytes.toString())))
  expect(await heard).toMatch(/^head /)
  client.destroy()
  expect(await end).toBe('window closed')
})

test('nobody opens it: a sentence, and nothing is left', async () => {
  const { end } = await show(50)
  await expect(end).rejects.toMatchObject({ code: 'client.displayFailed' })
  expect(existsSync(file)).toBe(false)
})

test('given up: nothing is left', async () => {
  const { end } = await show()
  abort.abort()
  expect(await end).toBe('window closed')
  expect(existsSync(file)).toBe(false)
})
