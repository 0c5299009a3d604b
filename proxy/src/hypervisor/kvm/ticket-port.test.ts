import type { BootTicket } from '@ostler/contract/identity.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { TicketPlace } from '../hypervisor.ts'
import { ticketPort } from './ticket-port.ts'

const TICKET: BootTicket = { desktop: 7, epoch: 3, secret: 'a'.repeat(64), displayUid: 998 }

let folder: string
let path: string
let server: Server
let sockets: Socket[]
let heard: string
let port: TicketPlace

/** Plays QEMU's end of the port. */
async function listen(): Promise<void> {
  server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  })
  server.listen(path)
  await once(server, 'listening')
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-port-'))
  path = join(folder, 'boot.sock')
  sockets = []
  heard = ''
  port = ticketPort(path)
  await listen()
})
afterEach(() => {
  port.close()
  for (const socket of sockets) socket.destroy()
  server.close()
  rmSync(folder, { recursive: true })
})

const lines = (): string[] => heard.split('\n').filter(Boolean)

test('a ticket comes as a line, for a display that is the guest’s own', async () => {
  port.put(TICKET)
  expect(await comesToHold(() => heard.endsWith('\n'), 5_000, 5)).toBe(true)
  expect(JSON.parse(heard)).toEqual({ ...TICKET, displayUid: 0 })
})

test('the same ticket is not said at every attempt, another one at once', async () => {
  for (let i = 0; i < 20; i++) port.put(TICKET)
  await comesToHold(() => lines().length > 0, 5_000, 5)
  port.put({ ...TICKET, epoch: 4 })
  expect(await comesToHold(() => lines().length === 2, 5_000, 5)).toBe(true)
})

test('after QEMU has closed the port, the next ticket opens it again', async () => {
  port.put(TICKET)
  await comesToHold(() => lines().length === 1, 5_000, 5)
  sockets[0]?.destroy()
  const again = (): boolean => {
    port.put(TICKET)
    return lines().length === 2
  }
  expect(await comesToHold(again, 5_000, 20)).toBe(true)
})

test('without a port there is no place for a ticket', () => {
  expect(() => ticketPort(join(folder, 'none')).put(TICKET)).toThrow('ENOENT')
})

test('once it is taken back, it is said anew', async () => {
  port.put(TICKET)
  await comesToHold(() => lines().length === 1, 5_000, 5)
  port.clear()
  port.put(TICKET)
  expect(await comesToHold(() => lines().length === 2, 5_000, 5)).toBe(true)
})
