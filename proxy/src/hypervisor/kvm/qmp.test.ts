import { comesToHold } from '@ostler/kit/poll.ts'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { lastWords, startQemu } from './qemu-process.ts'
import { openQmp, type Qmp, QmpRefusal } from './qmp.ts'

const GREETING = '{"QMP": {"version": {}, "capabilities": []}}\r\n'
const ANSWER_MS = 400

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-qmp-'))
  path = join(folder, 'qmp.sock')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Plays QEMU: greets, then answers each command by `answer`, which gets its name and number. */
async function playQemu(answer: (command: string, id: number) => string, greeting = GREETING) {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.write(greeting)
    socket.on('data', (chunk: Buffer) => {
      for (const line of chunk.toString().split('\n').filter(Boolean)) {
        const { execute, id } = JSON.parse(line) as { execute: string; id: number }
        socket.write(execute === 'qmp_capabilities' ? `{"return":{},"id":${id}}\n` : answer(execute, id))
      }
    })
  })
  server.listen(path)
  await once(server, 'listening')
  return {
    sockets,
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

async function ask(command = 'query-status'): Promise<unknown> {
  using qmp: Qmp = await openQmp(path, ANSWER_MS)
  return await qmp.execute(command)
}

test('an answer is found among events, answers to others, and in pieces', async () => {
  using qemu = await playQemu((_, id) => {
    const [socket] = qemu.sockets
    socket?.write('{"event":"RESUME","data":{},"timestamp":{}}\n{"return":1,"id":99}\n{"return":{"a')
    setTimeout(() => socket?.write(`":2},"id":${id}}\n`), 20)
    return ''
  })
  expect(await ask()).toEqual({ a: 2 })
})

test('what QEMU refuses is an error with its word and its sentence', async () => {
  using _ = await playQemu(
    (_command, id) => `{"error":{"class":"CommandNotFound","desc":"no such thing"},"id":${id}}\n`,
  )
  const refusal = await ask('fly').catch((error: unknown) => error)
  expect(refusal).toBeInstanceOf(QmpRefusal)
  expect(refusal).toMatchObject({ kind: 'CommandNotFound', message: 'QEMU refuses fly: no such thing' })
})

describe('a QEMU that does not behave is given up', () => {
  test('when it is silent, after the deadline', async () => {
    using _ = await playQemu(() => '')
    await expect(ask()).rejects.toThrow(`query-status took longer than ${ANSWER_MS} ms`)
  })

  test('when it does not greet', async () => {
    using _ = await playQemu(() => '', '')
    await expect(ask()).rejects.toThrow('greeting took longer')
  })

  test('when it closes', async () => {
    using qemu = await playQemu(() => {
      qemu.sockets[0]?.end()
      return ''
    })
    await expect(ask()).rejects.toThrow('has closed its monitor')
  })

  test.each(['hello\n', '5\n', 'null\n', '[' + '['.repeat(60_000) + '\n'])(
    'when it says %.6j',
    async (words) => {
      using _ = await playQemu(() => words)
      await expect(ask()).rejects.toThrow(/this is not QMP|took longer/)
    },
  )

  test('when its line has no end', async () => {
    using _ = await playQemu(() => `{"return":"${'x'.repeat(200_000)}`)
    await expect(ask()).rejects.toThrow('a line without end')
  })

  test('when it answers with strange errors', async () => {
    using _ = await playQemu((_command, id) => `{"error":{"class":7,"desc":["x"]},"id":${id}}\n`)
    await expect(ask()).rejects.toThrow('QEMU refuses query-status: unknown')
  })
})

test('a link in place of the monitor is not followed', async () => {
  using _ = await playQemu(() => '')
  const link = join(folder, 'link.sock')
  symlinkSync(path, link)
  await expect(openQmp(link)).rejects.toThrow('not a socket')
})

test('a real QEMU says that it is paused, runs when it is told to, and quits', async () => {
  const uid = 1_900_000_999
  chownSync(folder, uid, uid)
  const monitor = ['-qmp', 'unix:qmp.sock,server=on,wait=off']
  const qemu = startQemu({
    ...{ program: 'qemu-system-x86_64', uid, groups: [], folder, files: [], log: join(folder, 'log') },
    args: ['-machine', 'none', '-nodefaults', '-display', 'none', '-S', ...monitor],
  })
  try {
    await comesToHold(() => existsSync(path), 10_000, 10)
    using qmp = await openQmp(path)
    expect(await qmp.execute('query-status')).toMatchObject({ running: false })
    await qmp.execute('cont')
    expect(await qmp.execute('query-status')).toMatchObject({ running: true })
    await expect(qmp.execute('device_del', { id: 'none' })).rejects.toThrow("Device 'none' not found")
    await qmp.execute('quit').catch(() => {})
    expect(await comesToHold(() => qemu.ended(), 10_000, 10)).toBe(true)
  } finally {
    qemu.kill()
  }
})

test('a QEMU that cannot be started is seen to have ended, and its last words are kept', async () => {
  const log = join(folder, 'log')
  const qemu = startQemu({
    ...{ program: 'qemu-system-x86_64', uid: 1_900_000_999, groups: [], folder, files: [], log },
    args: ['-machine', 'no-such-machine'],
  })
  expect(await comesToHold(() => qemu.ended(), 10_000, 10)).toBe(true)
  expect(lastWords(log)).toContain('Use -machine help to list supported machines')
})
