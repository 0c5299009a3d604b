import { expect, test } from 'vitest'
import type { SessionGrant } from '../model/policy.ts'
import { sessionParameters, type SessionWords } from './session-parameters.ts'

const STRICT: SessionGrant = {
  clipboard: 'in',
  folders: { access: 'ro', roots: ['/media', '/srv'] },
  ports: false,
  printing: false,
  audio: true,
  usb: false,
}

const NOTHING: SessionWords = {
  client: new Map(),
  properties: [],
  plugins: {},
  isApplication: false,
  grant: STRICT,
  door: {},
}

const faultOf = (words: Partial<SessionWords>): unknown => {
  try {
    sessionParameters({ ...NOTHING, ...words })
  } catch (error) {
    return error
  }
  throw new Error('it was taken')
}

test('C-46: properties win over what the client asks for, plugins over both, then policy, last the door', () => {
  const words: SessionWords = {
    client: new Map([
      ['qvd.client.os', 'linux'],
      ['custom.a', 'client'],
      ['custom.b', 'client'],
      ['qvd.ostler.policy.clipboard', 'both'],
      ['qvd.ostler.policy.folders', 'rw'],
      ['qvd.ostler.policy.folders.roots', '/'],
      ['qvd.ostler.policy.ports', '1'],
    ]),
    properties: [
      { key: 'custom.a', value: 'flavour' },
      { key: 'custom.b', value: 'flavour' },
      { key: 'custom.b', value: 'desktop' },
      { key: 'qvd.slave.key', value: 'property' },
      { key: 'qvd.ostler.policy.usb', value: '1' },
    ],
    plugins: {
      'custom.a': 'plugin',
      'qvd.ostler.policy.printing': '1',
      'qvd.ostler.other': 'x',
      host_address: '1.2.3.4',
    },
    isApplication: false,
    grant: STRICT,
    door: { host_address: '10.0.0.1', 'qvd.slave.key': 'key' },
  }
  expect(sessionParameters(words)).toEqual({
    'qvd.client.os': 'linux',
    'custom.a': 'plugin',
    'custom.b': 'desktop',
    host_address: '10.0.0.1',
    'qvd.slave.key': 'key',
    'qvd.ostler.policy.clipboard': 'in',
    'qvd.ostler.policy.folders': 'ro',
    'qvd.ostler.policy.folders.roots': '/media,/srv',
    'qvd.ostler.policy.ports': '0',
    'qvd.ostler.policy.printing': '0',
    'qvd.ostler.policy.audio': '1',
    'qvd.ostler.policy.usb': '0',
  })
})

test('properties that are for the door stay there, such as the key of a second factor', () => {
  const keys = ['l7r.auth.plugin.totp.secret32', 'auth.ldap.bindpass', 'internal.l7r.x']
  const given = { ...NOTHING, properties: keys.map((key) => ({ key, value: 'secret' })) }
  expect(JSON.stringify(sessionParameters(given))).not.toContain('secret')
})

test('the desktop of an application flavour is said to be one', () => {
  const plugins = { 'qvd.vm.is_application': '0' }
  expect(sessionParameters({ ...NOTHING, plugins, isApplication: true })).toMatchObject({
    'qvd.vm.is_application': '1',
  })
})

test.each([
  ['custom.long', 'x'.repeat(4097), 'is longer than 4096 characters'],
  ['custom.bell', 'a\u0007b', 'has control characters'],
  ['custom.two words', 'x', 'is no usable parameter name'],
  [`custom.${'x'.repeat(200)}`, 'x', 'is no usable parameter name'],
])('a parameter that no agent takes is named: %s', (name, value, problem) => {
  const parameter = name.slice(0, 200)
  expect(faultOf({ client: new Map([[name, value]]) })).toMatchObject({
    code: 'session.parameter',
    detail: { parameter, problem },
  })
  expect(faultOf({ properties: [{ key: name, value }] })).toMatchObject({ code: 'session.parameter' })
})

test('too many parameters are refused with their number', () => {
  const properties = Array.from({ length: 294 }, (_, index) => ({ key: `custom.${index}`, value: '' }))
  expect(faultOf({ properties })).toMatchObject({
    code: 'session.tooManyParameters',
    detail: { count: 301, limit: 300 },
  })
  expect(Object.keys(sessionParameters({ ...NOTHING, properties: properties.slice(1) }))).toHaveLength(300)
})
