import { selfSigned } from '@ostler/kit/certificate.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { expect, test } from 'vitest'
import { redirectUrlFor } from './redirect-url.ts'

const { certificate } = await selfSigned(['vdi.house.example', '*.wild.example', '127.0.0.1', '::1'], 2)

test.each([
  ['vdi.house.example', 'https://vdi.house.example/portal/api/oidc/callback'],
  ['VDI.house.example:8443', 'https://vdi.house.example:8443/portal/api/oidc/callback'],
  ['127.0.0.1:8443', 'https://127.0.0.1:8443/portal/api/oidc/callback'],
  ['[::1]:8443', 'https://[::1]:8443/portal/api/oidc/callback'],
])('%s is in the certificate', (host, url) => {
  expect(redirectUrlFor(host, certificate).href).toBe(url)
})

test.each([
  undefined,
  '',
  'evil.example',
  'any.wild.example',
  'vdi.house.example@evil.example',
  'evil.example/vdi.house.example',
  'evil.example#vdi.house.example',
  'evil.example?vdi.house.example',
  'vdi.house.example evil.example',
  'vdi.house.example:8443:1',
  'vdi.house.example.evil.example',
  '127.0.0.2',
  '[::2]',
  '0x7f.1.evil.example',
])('%j is not: the key to set is named', (host) => {
  expect(() => redirectUrlFor(host, certificate)).toThrow(Fault)
  expect(() => redirectUrlFor(host, certificate)).toThrow(/redirect_url must be set/)
})
