import { selfSigned } from '@ostler/kit/certificate.ts'
import { X509Certificate } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, until, type World } from '../fixtures/world.ts'

/** The certificate from the database on a whole node: api, hkd and door are the real processes. */
let world: World
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-ssl-flow-'))
  // Each worker looks at its files in its own time.
  world = await startWorld({ 'vm.hypervisor': 'simulated', 'l7r.workers': '1' })
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

function shown(): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const { port } = world.node.settings
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256)
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

/** Sets a new certificate; returns its fingerprint. */
async function setNew(name: string): Promise<string> {
  const { key, certificate } = await selfSigned([name], 90)
  writeFileSync(join(folder, 'key.pem'), key, { mode: 0o600 })
  writeFileSync(join(folder, 'cert.pem'), certificate)
  await world.qa(`config ssl key=${join(folder, 'key.pem')} cert=${join(folder, 'cert.pem')}`)
  return new X509Certificate(certificate).fingerprint256
}

test('hkd hears of a certificate that is set, finds one that was set while it was away, and hears of its end', async () => {
  const own = await shown()
  const first = await setNew('first.example')
  await until('the first one', async () => (await shown()) === first, 30_000)
  await world.node.crash('hkd')
  const second = await setNew('second.example')
  expect(await shown()).toBe(first)
  await world.node.start('hkd')
  await until('the second one', async () => (await shown()) === second, 30_000)
  await world.qa('config ssl del')
  await until('its own again', async () => (await shown()) === own, 30_000)
  expect(existsSync(join(world.node.settings.folder, 'state/ssl/door.json'))).toBe(false)
}, 120_000)
