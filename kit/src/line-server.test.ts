import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { serveLines } from './line-server.ts'
import { comesToHold } from './poll.ts'

const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'ostler-lines-'))
  onTestFinished(() => {
    rmSync(made, { recursive: true })
  })
  return made
}

async function call(path: string): Promise<Socket> {
  const socket = connect(path)
  await once(socket, 'connect')
  return socket
}

test('each line is heard and answered, and its end is told', async () => {
  const path = join(folder(), 'run/lines.sock')
  let isLeft = false
  await using _ = await serveLines(path, 0o700, ({ say, hangUp }) => ({
    heard: (line) => {
      if (line === 'bye') hangUp()
      else say({ heard: line })
    },
    left: () => (isLeft = true),
  }))
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700)
  const socket = await call(path)
  const answers: string[] = []
  createInterface(socket).on('line', (line) => answers.push(line))
  socket.write('one\ntwo\n')
  expect(await comesToHold(() => answers.length === 2, 5_000, 5)).toBe(true)
  expect(answers).toEqual(['{"heard":"one"}', '{"heard":"two"}'])
  socket.write('bye\n')
  await once(socket, 'close')
  expect(await comesToHold(() => isLeft, 5_000, 5)).toBe(true)
})

test('what lies there is replaced, and everybody is hung up on at the end', async () => {
  const path = join(folder(), 'lines.sock')
  writeFileSync(path, 'left by one that was killed')
  const server = await serveLines(path, 0o700, () => ({ heard: () => {} }))
  const socket = await call(path)
  const closed = once(socket, 'close')
  await server[Symbol.asyncDispose]()
  await closed
  await expect(call(path)).rejects.toMatchObject({ code: 'ENOENT' })
})
