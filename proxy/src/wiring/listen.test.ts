import { silentLog } from '@ostler/kit/log.ts'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { listenSettings } from './listen.ts'
import { loadNodeConfig } from './node-config.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-listen-'))
afterAll(() => rmSync(folder, { recursive: true }))

function settingsOf(...lines: string[]) {
  const warnings: unknown[] = []
  const file = join(folder, 'node.conf')
  writeFileSync(file, lines.join('\n'))
  const log = { ...silentLog, warn: (_: string, fields: unknown) => void warnings.push(fields) }
  return { ...listenSettings(loadNodeConfig(file).values, log), warnings }
}

test('without a word: TLS 1.2 and 1.3, no certificates of clients, no balancers, 256 connections', () => {
  const settings = settingsOf()
  expect(settings).toMatchObject({ address: '*', port: 8443, perAddress: 256, warnings: [] })
  expect(settings.tls).toMatchObject({ clients: 'not asked', versions: { min: 'TLSv1.2', max: 'TLSv1.3' } })
  expect(settings.balancers.has('127.0.0.1')).toBe(false)
})

test("QVD's values mean what they meant, and what cannot be had is told", () => {
  const settings = settingsOf(
    'l7r.client.cert.require = 1',
    'l7r.client.cert.accept = 1',
    'path.l7r.ssl.ca = /etc/ca.pem',
    'l7r.options.SSL_version = TLSv1_2:TLSv1_1:!SSLv3',
    'l7r.options.SSL_cipher_list = HIGH:QUICK:!aNULL',
  )
  expect(settings.tls).toMatchObject({
    clients: 'required',
    files: { ca: '/etc/ca.pem', crl: undefined },
    versions: { min: 'TLSv1.2', max: 'TLSv1.2' },
  })
  expect(settings.warnings).toEqual([
    { key: 'l7r.options.SSL_version', words: 'TLSv1_1' },
    { key: 'l7r.options.SSL_cipher_list', words: 'QUICK' },
  ])
})

test('plain HTTP', () => {
  expect(settingsOf('l7r.use_ssl = 0').tls).toBeUndefined()
})

test('every wrong value is named', () => {
  const wrong = [
    'l7r.options.SSL_version = SSLv3',
    'l7r.proxy_protocol.from = 10.0.0.0/99',
    'l7r.use_ssl = yes',
  ]
  for (const line of wrong) expect(() => settingsOf(...wrong)).toThrow(line.split(' ', 1)[0])
})

test('certificates without TLS cannot be', () => {
  expect(() => settingsOf('l7r.use_ssl = 0', 'l7r.client.cert.accept = 1')).toThrow('l7r.use_ssl must be 1')
})
