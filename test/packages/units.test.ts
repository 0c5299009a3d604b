import { loadNodeConfig } from '@ostler/proxy/wiring/node-config.ts'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** What the units of a node let its services do. */

const UNITS = join(import.meta.dirname, '../../packaging/deb/ostler-node')

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-units-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

test.each([
  ['ostler-l7r', 'path.l7r.ssl.key'],
  ['ostler-api', 'path.api.ssl.key'],
] as const)('%s may make its own certificate, and listen on a network', (unit, key) => {
  const config = join(folder, 'node.conf')
  writeFileSync(config, '')
  const place = dirname(loadNodeConfig(config).values[key])
  const said = readFileSync(join(UNITS, `${unit}.service`), 'utf8')
  const user = /^User=(.*)$/m.exec(said)?.[1] ?? ''
  const writable = /^ReadWritePaths=(.*)$/m.exec(said)?.[1]?.split(' ') ?? []
  expect(writable).toContain(place)
  const made = readFileSync(join(UNITS, 'tmpfiles.conf'), 'utf8').split('\n')
  expect(made.map((line) => line.split(/\s+/).join(' '))).toContain(`d ${place} 0755 ${user} ${user}`)
  expect(said).not.toMatch(/^(IPAddressDeny|PrivateNetwork)=/m)
  expect(said).toMatch(/^RestrictAddressFamilies=.*\bAF_INET AF_INET6\b/m)
})
