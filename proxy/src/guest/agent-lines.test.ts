import { holderUri } from '@ostler/contract/identity.ts'
import { type Identity, issueIdentity, makeAuthority } from '@ostler/kit/certificate.ts'
import { once } from 'node:events'
import { createServer, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AgentLines } from './agent-lines.ts'
import { type CallerIdentity, openAgentLink } from './agent-link.ts'

let authority: Identity
let door: CallerIdentity
const servers: Scripted[] = []

beforeAll(async () => {
  authority = await makeAuthority('test', 1)
  door = await identityOf('door', holderUri({ role: 'l7r' }))
})
afterAll(() => {
  for (const server of servers) server.close()
})

async function identityOf(commonName: string, uri: string): Promise<CallerIdentity> {
  const own = await issueIdentity(authority, { commonName, uri, days: 1 })
  return { ...own, authority: authority.certificate }
}

/** An agent that answers `ping` with nothing but that, and notes over which connections it was asked. */
interface Scripted {
  readonly port: number
  /** Per call: the connection's number, whether its TLS session was taken up again, and who asked. */
  readonly calls: { connection: number; resumed: boolean; who: string | undefined }[]
  /** Called when a request has come; true when it is not to be answered. */
  refuse: (socket: Socket) => boolean
  hangUp(): void
  close(): void
}

async function openAgent(epoch: number, port = 0): Promise<Scripted> {
  const own = await identityOf('agent', holderUri({ role: 'vma', desktop: 1, epoch }))
  const sockets: Socket[] = []
  const server: Server = createServer({
    key: own.key,
    cert: own.certificate,
    ca: own.authority,
    requestCert: true,
    minVersion: 'TLSv1.3',
  })
  server.on('secureConnection', (socket: TLSSocket) => sockets.push(socket))
  server.on('request', (request, response) => {
    const socket = request.socket as TLSSocket
    request.resume()
    if (scripted.refuse(socket)) return
    scripted.calls.push({
      connection: sockets.indexOf(socket),
      resumed: socket.isSessionReused(),
      who: socket.getPeerCertificate().subjectaltname,
    })
    response.setHeader('Content-Type', 'application/json').end('{"version":"1"}')
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const scripted: Scripted = {
    port: (server.address() as AddressInfo).port,
    calls: [],
    refuse: () => false,
    hangUp: () => {
      for (const socket of sockets) socket.destroy()
    },
    close: () => {
      scripted.hangUp()
      server.close()
    },
  }
  servers.push(scripted)
  return scripted
}

function linkTo({ port }: Scripted, epoch: number, lines: AgentLines, identity = door) {
  return openAgentLink({ desktop: 1, epoch, host: '127.0.0.1', port }, identity, lines).client
}

const WHO = `URI:${holderUri({ role: 'l7r' })}`

test('the next call goes over the connection of the last one, whichever link makes it', async () => {
  using lines = new AgentLines()
  const agent = await openAgent(1)
  for (let call = 0; call < 3; call++) await linkTo(agent, 1, lines).ping({})
  expect(agent.calls.map(({ connection }) => connection)).toEqual([0, 0, 0])
})

test('a new connection takes the TLS session up again, and the agent still knows who calls', async () => {
  using lines = new AgentLines()
  const agent = await openAgent(1)
  await linkTo(agent, 1, lines).ping({})
  agent.hangUp()
  await expect.poll(async () => await linkTo(agent, 1, lines).ping({})).toBeDefined()
  expect(agent.calls.at(-1)).toEqual({ connection: 1, resumed: true, who: WHO })
})

test('a connection and a session of one boot are of no use for the next one', async () => {
  using lines = new AgentLines()
  const agent = await openAgent(1)
  await linkTo(agent, 1, lines).ping({})
  await expect(linkTo(agent, 2, lines).ping({})).rejects.toMatchObject({ code: 'agent.unreachable' })
  agent.hangUp()
  await expect(linkTo(agent, 2, lines).ping({})).rejects.toMatchObject({ code: 'agent.unreachable' })
  expect(agent.calls).toHaveLength(1)
})

test('an impostor at the address of a boot that was checked is refused', async () => {
  using lines = new AgentLines()
  const first = await openAgent(1)
  await linkTo(first, 1, lines).ping({})
  first.close()
  const impostor = await openAgent(2, first.port)
  await expect(linkTo(impostor, 1, lines).ping({})).rejects.toMatchObject({ code: 'agent.unreachable' })
  expect(impostor.calls).toEqual([])
})

test('another identity of the caller gets a connection of its own', async () => {
  using lines = new AgentLines()
  const agent = await openAgent(1)
  await linkTo(agent, 1, lines).ping({})
  const renewed = await identityOf('door', holderUri({ role: 'l7r' }))
  await linkTo(agent, 1, lines, renewed).ping({})
  expect(agent.calls.map(({ connection, resumed }) => [connection, resumed])).toEqual([
    [0, false],
    [1, false],
  ])
})

test('a kept connection that is closed under a call costs nothing but a new one', async () => {
  using lines = new AgentLines()
  const agent = await openAgent(1)
  await linkTo(agent, 1, lines).ping({})
  let refused = 0
  agent.refuse = (socket) => {
    if (refused++ > 0) return false
    socket.destroy()
    return true
  }
  await linkTo(agent, 1, lines).ping({})
  expect(refused).toBe(2)
})

test('a call that must not be made twice is not repeated', async () => {
  using lines = new AgentLines()
  const agent = await openAgent(1)
  await linkTo(agent, 1, lines).ping({})
  let asked = 0
  agent.refuse = (socket) => {
    asked += 1
    socket.destroy()
    return true
  }
  await expect(linkTo(agent, 1, lines).x_stop({})).rejects.toMatchObject({ code: 'agent.unreachable' })
  expect(asked).toBe(1)
})

test('a fresh connection that is closed under a call is a failure', async () => {
  using lines = new AgentLines()
  const agent = await openAgent(1)
  let asked = 0
  agent.refuse = (socket) => {
    asked += 1
    socket.destroy()
    return true
  }
  await expect(linkTo(agent, 1, lines).ping({})).rejects.toMatchObject({ code: 'agent.unreachable' })
  expect(asked).toBe(1)
})

test('no more than 64 connections are kept', async () => {
  using lines = new AgentLines()
  const agent = await openAgent(1)
  const identities = await Promise.all(
    Array.from({ length: 70 }, () => identityOf('door', holderUri({ role: 'l7r' }))),
  )
  for (const identity of identities) await linkTo(agent, 1, lines, identity).ping({})
  expect(Object.keys(lines.freeSockets).length).toBeLessThanOrEqual(64)
})
