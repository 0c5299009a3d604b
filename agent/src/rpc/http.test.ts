import { Fault, type FaultBody } from '@ostler/contract/fault.ts'
import { createServer, type IncomingMessage, request as httpRequest, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answerFault, answerJson, readJson, refuseUpgrade } from './http.ts'

let server: Server
/** What the server answers a body with. */
let answer: (body: unknown) => unknown = (body) => ({ body })
let upgradeError: unknown
beforeAll(async () => {
  server = createServer((request, response) => {
    readJson(request)
      .then((body) => answer(body))
      .then(
        (body) => answerJson(response, 200, body),
        (error: unknown) => answerFault(response, error),
      )
  })
  server.on('upgrade', (_, socket: Duplex) => {
    socket.on('error', () => socket.destroy())
    refuseUpgrade(socket, upgradeError)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const port = (): number => (server.address() as AddressInfo).port

/** Sends a body in pieces and reads the answer. */
async function post(...pieces: readonly (string | Uint8Array)[]) {
  const request = httpRequest({ host: '127.0.0.1', port: port(), method: 'POST', agent: false })
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve)
    request.once('error', reject)
  })
  request.on('error', () => {}) // the server need not read to the end what it refuses
  for (const piece of pieces) {
    request.write(piece)
    await new Promise((resolve) => setImmediate(resolve))
  }
  request.end()
  const response = await answered
  const body = await text(response)
  return {
    status: response.statusCode,
    headers: response.headers,
    body: JSON.parse(body) as unknown,
    length: body.length,
  }
}

async function problemOf(...pieces: readonly (string | Uint8Array)[]): Promise<unknown> {
  const { status, body } = await post(...pieces)
  expect(status).toBe(400)
  expect(body).toMatchObject({ fault: 'request.invalid' })
  return (body as FaultBody).detail['problem']
}

describe('a body', () => {
  test('is read whole, however it comes', async () => {
    const bytes = Buffer.from(JSON.stringify({ name: 'Zoë', list: [1, 2], none: null }))
    const pieces = [...bytes].map((byte) => Buffer.from([byte]))
    expect((await post(...pieces)).body).toEqual({ body: { name: 'Zoë', list: [1, 2], none: null } })
  })

  test('that is missing is an empty object', async () => {
    expect((await post()).body).toEqual({ body: {} })
  })

  test('may have 64 kB and not a byte more', async () => {
    const long = `"${'x'.repeat(65_534)}"`
    expect((await post(long)).status).toBe(200)
    expect(await problemOf(`${long} `)).toBe('more than 65536 bytes')
  })

  test('that is far too long is refused before it has come', async () => {
    const pieces = Array.from({ length: 64 }, () => 'x'.repeat(4_096))
    expect(await problemOf(...pieces)).toBe('more than 65536 bytes')
  })

  test.each(['{', 'x', '{"a":1}}', "{'a':1}", ' '])('%j is no JSON', async (body) => {
    expect(await problemOf(body)).toBe('the body is not JSON')
  })

  test('that says a key twice is refused, however deep', async () => {
    expect(await problemOf('{"parameters":{"a":"1","b":"2","a":"3"}}')).toBe('"a" is given twice')
    expect(await problemOf(`{"${'k'.repeat(300)}":1,"${'k'.repeat(300)}":2}`)).toBe(
      `"${'k'.repeat(100)}" is given twice`,
    )
  })
})

describe('an answer', () => {
  test('is JSON of the length that is told', async () => {
    answer = () => ({ text: 'grüße' })
    const { headers, body } = await post('{}')
    expect(headers['content-type']).toBe('application/json')
    expect(Number(headers['content-length'])).toBe(Buffer.byteLength('{"text":"grüße"}'))
    expect(body).toEqual({ text: 'grüße' })
  })

  test('that is a fault has its status, code, sentence and advice', async () => {
    answer = () => {
      throw new Fault('session.busy', { state: 'stopping' })
    }
    const fault = new Fault('session.busy', { state: 'stopping' })
    const { status, body } = await post('{}')
    expect(status).toBe(fault.status)
    expect(body).toEqual(JSON.parse(JSON.stringify(fault)))
  })

  test('that is any other error tells nothing of it', async () => {
    answer = () => {
      throw new Error('password hunter2')
    }
    const { status, body } = await post('{}')
    expect(status).toBe(500)
    expect(body).toMatchObject({ fault: 'server.internal', detail: { reference: 'see the log' } })
    expect(JSON.stringify(body)).not.toContain('hunter2')
  })

  test('that fails half-way ends the connection instead of looking whole', async () => {
    const broken = createServer((_, response) => {
      response.writeHead(200, { 'Content-Length': 100 })
      response.write('{"half":')
      answerFault(response, new Fault('server.stopping'))
    })
    await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve))
    const read = async (): Promise<string> => {
      const response = await fetch(`http://127.0.0.1:${(broken.address() as AddressInfo).port}/`)
      return await response.text()
    }
    await expect(read()).rejects.toThrow()
    await new Promise((resolve) => broken.close(resolve))
  })
})

describe('an upgrade that is refused', () => {
  async function upgrade(): Promise<{ head: string; body: string }> {
    const socket = connect(port(), '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: VNC\r\n\r\n')
    const [head = '', body = ''] = (await text(socket)).split('\r\n\r\n')
    return { head, body }
  }

  test('is answered with the fault, and the connection ends', async () => {
    upgradeError = new Fault('agent.forbidden', { role: 'hkd', procedure: '/vma/vnc_connect' })
    const { head, body } = await upgrade()
    expect(head).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/)
    expect(head).toContain(`Content-Length: ${Buffer.byteLength(body)}`)
    expect(head).toContain('Connection: close')
    expect(JSON.parse(body)).toMatchObject({ fault: 'agent.forbidden', detail: { role: 'hkd' } })
  })

  test('for another error is answered without details', async () => {
    upgradeError = new Error('password hunter2')
    const { head, body } = await upgrade()
    expect(head).toMatch(/^HTTP\/1\.1 500 Internal Server Error\r\n/)
    expect(body).not.toContain('hunter2')
  })
})
