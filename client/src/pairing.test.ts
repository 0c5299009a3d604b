import type { Clock } from '@ostler/kit/clock.ts'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { pairDevice, type PairingParts } from './pairing.ts'

const START = {
  device_code: 'device',
  user_code: 'BCDF-GHJK',
  verification_path: '/portal/#pair',
  expires_in: 600,
  interval: 3,
}

let server: Server | undefined
afterEach(() => server?.close())

interface Reply {
  readonly status: number
  readonly body?: unknown
}

/** A server that gives these answers in turn; the last one again and again. `undefined` hangs up. */
async function answering(...replies: readonly (Reply | undefined)[]) {
  const asked: { path: string; body: unknown }[] = []
  const slept: number[] = []
  const told: string[] = []
  let time = 0
  const clock: Clock = {
    now: () => time,
    sleep: (ms) => {
      slept.push(ms)
      time += ms
      return Promise.resolve()
    },
  }
  server = createServer((request, response) => {
    void textOf(request).then((text) => {
      asked.push({ path: request.url ?? '', body: JSON.parse(text) as unknown })
      const reply = replies[Math.min(asked.length, replies.length) - 1]
      if (reply === undefined) return void request.socket.destroy()
      response.writeHead(reply.status, { 'Content-Type': 'application/json' })
      response.end(reply.body === undefined ? '' : JSON.stringify(reply.body))
    })
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const parts: PairingParts = {
    open: () => Promise.resolve(connect(port, '127.0.0.1')),
    name: 'ostler on a laptop',
    tell: (line) => void told.push(line),
    clock,
  }
  return { asked, slept, told, token: () => pairDevice({ host: 'door.example', port: 8443 }, parts) }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}

const PENDING = { status: 202, body: { pending: true } }
const fault = (status: number, code: string, detail = {}): Reply => ({
  status,
  body: { fault: code, detail },
})

test('a code and an address are told, and the token comes when it was confirmed', async () => {
  const { asked, slept, told, token } = await answering({ status: 200, body: START }, PENDING, {
    status: 200,
    body: { token: 'abc' },
  })
  expect((await token()).reveal()).toBe('abc')
  expect(told.join('\n')).toContain('https://door.example:8443/portal/#pair')
  expect(told).toContain('\n    BCDF-GHJK\n')
  expect(asked).toEqual([
    { path: '/portal/api/pair', body: { client: 'ostler on a laptop' } },
    { path: '/portal/api/pair/token', body: { device_code: 'device' } },
    { path: '/portal/api/pair/token', body: { device_code: 'device' } },
  ])
  expect(slept).toEqual([3_000, 3_000])
})

test('it asks more slowly when it is told that it asks too often', async () => {
  const { slept, token } = await answering(
    { status: 200, body: START },
    fault(429, 'pair.tooMany', { seconds: 3 }),
    { status: 200, body: { token: 'abc' } },
  )
  await token()
  expect(slept).toEqual([3_000, 8_000])
})

test('a server that is away for a moment does not end it', async () => {
  const { token } = await answering(
    { status: 200, body: START },
    undefined,
    { status: 503 },
    {
      status: 200,
      body: { token: 'abc' },
    },
  )
  expect((await token()).reveal()).toBe('abc')
})

test('nobody waits longer than the code is good for', async () => {
  const { asked, token } = await answering({ status: 200, body: START }, PENDING)
  await expect(token()).rejects.toMatchObject({ code: 'pair.expired' })
  expect(asked).toHaveLength(1 + 200)
})

test.each([
  [403, 'pair.refused', 'this device was refused at the portal'],
  [410, 'pair.expired', 'nobody confirmed the code in time, or it has been used'],
])('%i is %s', async (status, code, sentence) => {
  const { token } = await answering({ status: 200, body: START }, fault(status, code))
  await expect(token()).rejects.toMatchObject({ code, message: sentence })
})

test.each([
  [{ status: 404 }, 'door.example answered 404: it does not pair devices'],
  [{ status: 200 }, 'door.example answered 200: its answer is none of pairing'],
  [{ status: 200, body: { ...START, user_code: '\u001b[2J' } }, 'its answer is none of pairing'],
  [{ status: 200, body: { ...START, verification_path: '@evil.example/' } }, 'its answer is none of pairing'],
  [{ status: 200, body: { ...START, interval: 0 } }, 'its answer is none of pairing'],
  [{ status: 200, body: { ...START, expires_in: 1e9 } }, 'its answer is none of pairing'],
  [fault(429, 'pair.tooMany', { seconds: 9 }), 'too many attempts to pair a device: wait 9 s'],
])('a server that answers %j is not waited for', async (reply, sentence) => {
  const { asked, token } = await answering(reply)
  await expect(token()).rejects.toThrow(sentence)
  expect(asked).toHaveLength(1)
})
