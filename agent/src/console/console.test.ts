import { CONSOLE_HEARTBEAT_MS, encodeFrame, FrameParser } from '@ostler/contract/console-frames.ts'
import type { ConsoleTicket } from '@ostler/contract/console-ticket.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { once } from 'node:events'
import { join } from 'node:path'
import { duplexPair } from 'node:stream'
import { afterEach, expect, test, vi } from 'vitest'
import { openConsole } from './console.ts'

const TICKET: ConsoleTicket = {
  desktop: 7,
  epoch: 3,
  by: 'ann',
  user: 'root',
  nonce: 'n'.repeat(22),
  issued: '2026-03-01T12:00:00Z',
  expires: '2026-03-01T12:01:00Z',
}

afterEach(() => {
  vi.useRealTimers()
})

test('a silent console gives a sign of life, and nothing after its end', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const [ours, theirs] = duplexPair()
  const events: string[] = []
  const parser = new FrameParser()
  let empty = 0
  let code: number | undefined
  theirs.on('data', (chunk: Buffer) => {
    for (const frame of parser.push(chunk)) {
      if (frame.type === 'data' && frame.bytes.length === 0) empty += 1
      if (frame.type === 'data' && frame.bytes.length > 0) theirs.emit('printed')
      if (frame.type === 'exit') code = frame.code
    }
  })
  const over = openConsole(
    ours,
    TICKET,
    { columns: 80, rows: 24 },
    {
      log: silentLog,
      audit: { write: (event) => events.push(event) },
      runuser: '/sbin/runuser',
      lang: 'C.UTF-8',
      from: 'a test',
      host: join(import.meta.dirname, '../bin/console-host.ts'),
    },
  )
  await once(theirs, 'printed')
  vi.advanceTimersByTime(2 * CONSOLE_HEARTBEAT_MS)
  theirs.write(encodeFrame({ type: 'data', bytes: Buffer.from('exit 4\r') }))
  await once(theirs, 'end')
  theirs.end()
  await over
  vi.advanceTimersByTime(2 * CONSOLE_HEARTBEAT_MS)
  expect([empty, code]).toEqual([2, 4])
  expect(events).toEqual(['console opened', 'console closed'])
})
