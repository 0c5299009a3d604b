import { enrolApi } from '@ostler/contract/agent-api.ts'
import { pskIdentity } from '@ostler/contract/identity.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { text } from 'node:stream/consumers'
import type { IncomingMessage } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { enrol } from './enrol.ts'

const SECRET = 'ab'.repeat(32)

/** A port that nobody has at the moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Calls as hkd does, with the ticket's secret. */
async function call(port: number, method: string, path: string, body = ''): Promise<string> {
  const connection = connectTls({
    host: '127.0.0.1',
    port,
    pskCallback: () => ({ identity: pskIdentity(1, 2), psk: Buffer.from(SECRET, 'hex') }),
    checkServerIdentity: () => undefined,
  })
  const asked = request({ method, path, createConnection: () => connection })
  asked.end(body)
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  return await text(response)
}

test('a peer that connects and says nothing does not hold up who has enrolled', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-enrol-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(
    join(folder, 'enrol.json'),
    JSON.stringify({ desktop: 1, epoch: 2, secret: SECRET, displayUid: 0 }),
  )
  const port = await freePort()
  const abort = new AbortController()
  const enrolled = enrol({ port }, folder, silentLog, abort.signal)
  const silent = connect(port, '127.0.0.1')
  onTestFinished(() => {
    silent.destroy()
  })
  const hungUp = once(silent, 'close')
  await once(silent, 'connect')
  expect(await call(port, 'GET', enrolApi.keyPath)).toContain('publicKey')
  const signed = { certificate: 'a certificate', authority: 'an authority' }
  await call(port, 'POST', enrolApi.certificatePath, JSON.stringify(signed))
  expect(await enrolled).toMatchObject(signed)
  await hungUp
})
