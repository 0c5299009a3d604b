import { holderUri } from '@ostler/contract/identity.ts'
import { issueIdentity, makeAuthority } from '@ostler/kit/certificate.ts'
import { silentLog } from '@ostler/kit/log.ts'
import type { CallerIdentity } from '@ostler/proxy/guest/agent-link.ts'
import { askPeer, type PeerServer, servePeers } from '@ostler/proxy/hkd/lease/peers.ts'
import type { Member, PeerAnswer } from '@ostler/proxy/model/host-lease.ts'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { testTrust } from '../fixtures/trust.ts'

/** What hkds of several nodes say to each other, over real TLS. */
const WITHIN_MS = 20_000

let identity: CallerIdentity
let server: PeerServer
let said: PeerAnswer
let asked = 0

beforeAll(async () => {
  identity = (await testTrust()).own
  server = await servePeers({
    identity: () => identity,
    node: 'two',
    answer: () => {
      asked += 1
      return said
    },
    address: '127.0.0.1',
    port: 0,
    log: silentLog,
  })
})
afterAll(() => server[Symbol.asyncDispose]())
beforeEach(() => {
  asked = 0
  said = 'blind'
})

const member = (more: Partial<Member> = {}): Member => ({
  ...{ id: 2, name: 'two', standing: 1, address: '127.0.0.1', port: server.port },
  ...more,
})

/** Of another installation, or for something else. */
async function stranger(role: 'hkd' | 'l7r'): Promise<CallerIdentity> {
  const authority = await makeAuthority('Elsewhere', 1)
  const own = await issueIdentity(authority, { commonName: role, uri: holderUri({ role }), days: 1 })
  return { ...own, authority: authority.certificate }
}

test('a node hears from another one whether that reaches the database', async () => {
  expect(await askPeer(member(), identity, WITHIN_MS)).toBe('blind')
  said = 'sees'
  expect(await askPeer(member(), identity, WITHIN_MS)).toBe('sees')
})

test('who is no node of the installation hears nothing, and is not counted as asked', async () => {
  expect(await askPeer(member(), await stranger('hkd'), WITHIN_MS)).toBeUndefined()
  expect(
    await askPeer(member(), { ...(await stranger('l7r')), authority: identity.authority }, WITHIN_MS),
  ).toBeUndefined()
  expect(asked).toBe(0)
})

test('an answer in another node’s place is none', async () => {
  expect(await askPeer(member({ name: 'three' }), identity, WITHIN_MS)).toBeUndefined()
  const elsewhere = await servePeers({
    ...{ node: 'two', answer: () => 'blind', address: '127.0.0.1', port: 0, log: silentLog },
    identity: await stranger('hkd').then((other) => () => other),
  })
  expect(await askPeer(member({ port: elsewhere.port }), identity, WITHIN_MS)).toBeUndefined()
  await elsewhere[Symbol.asyncDispose]()
})

test('a node that cannot be reached, or is silent, has not answered', async () => {
  expect(await askPeer(member({ address: null }), identity, WITHIN_MS)).toBeUndefined()
  expect(await askPeer(member({ port: 1 }), identity, WITHIN_MS)).toBeUndefined()
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const place = silent.address()
  const port = typeof place === 'object' && place !== null ? place.port : 0
  expect(await askPeer(member({ port }), identity, 300)).toBeUndefined()
  silent.close()
})

test('whoever connects and says nothing is not kept', async () => {
  const socket = connect(server.port, '127.0.0.1')
  socket.resume()
  socket.on('error', () => {})
  await once(socket, 'close')
  expect(asked).toBe(0)
})
