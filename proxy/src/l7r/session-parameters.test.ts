import { expect, test } from 'vitest'
import type { SessionGrant } from '../model/policy.ts'
import { sessionParameters } from './session-parameters.ts'

const STRICT: SessionGrant = {
  clipboard: 'in',
  folders: { access: 'ro', roots: ['/media', '/srv'] },
  printing: false,
  audio: true,
  usb: false,
}

test('what the plugins said wins over what the client asks for, and policy over both', () => {
  const client = new Map([
    ['qvd.client.os', 'linux'],
    ['custom.a', 'client'],
    ['qvd.ostler.policy.clipboard', 'both'],
  ])
  const plugins = { 'custom.a': 'plugin', 'qvd.ostler.policy.printing': '1', 'qvd.ostler.other': 'x' }
  expect(sessionParameters(client, plugins, false, STRICT)).toEqual({
    'qvd.client.os': 'linux',
    'custom.a': 'plugin',
    'qvd.ostler.policy.clipboard': 'in',
    'qvd.ostler.policy.folders': 'ro',
    'qvd.ostler.policy.folders.roots': '/media,/srv',
    'qvd.ostler.policy.printing': '0',
    'qvd.ostler.policy.audio': '1',
    'qvd.ostler.policy.usb': '0',
  })
})

test('the desktop of an application flavour is said to be one', () => {
  const plugins = { 'qvd.vm.is_application': '0' }
  expect(sessionParameters(new Map(), plugins, true, STRICT)).toMatchObject({ 'qvd.vm.is_application': '1' })
})
