import { describe, expect, test } from 'vitest'
import { parseProxyHeader } from './proxy-protocol.ts'

const SIGNATURE = '0d0a0d0a000d0a515549540a'
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const v2 = (rest: string): Buffer => hex(SIGNATURE + rest)

describe('headers', () => {
  test.each([
    ['v1, IPv4', Buffer.from('PROXY TCP4 192.0.2.7 10.0.0.1 56324 8443\r\n'), '192.0.2.7'],
    ['v1, IPv6', Buffer.from('PROXY TCP6 2001:db8::7 ::1 56324 8443\r\n'), '2001:db8::7'],
    ['v1, unknown', Buffer.from('PROXY UNKNOWN\r\n'), undefined],
    ['v1, unknown with addresses', Buffer.from('PROXY UNKNOWN ff:: ff:: 1 2\r\n'), undefined],
    ['v2, IPv4', v2('21 11 000c c0000207 0a000001 dc04 20fb'), '192.0.2.7'],
    ['v2, IPv4 with something added', v2('21 11 0010 c0000207 0a000001 dc04 20fb 04000141'), '192.0.2.7'],
    [
      'v2, IPv6',
      v2('21 21 0024 20010db8000000000000000000000007 00000000000000000000000000000001 dc04 20fb'),
      '2001:db8::7',
    ],
    ['v2, the balancer itself', v2('20 00 0000'), undefined],
    ['v2, an unknown family', v2('21 00 0002 0000'), undefined],
  ])('%s', (_, bytes, address) => {
    const text = Buffer.from('GET / HTTP/1.1')
    expect(parseProxyHeader(Buffer.concat([bytes, text]))).toEqual({ address, length: bytes.length })
    for (let length = 0; length < bytes.length; length++)
      expect(parseProxyHeader(bytes.subarray(0, length))).toBe('incomplete')
  })
})

test.each([
  ['a request', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ['a TLS record', hex('1603010200')],
  ['another family', Buffer.from('PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n')],
  ['no address', Buffer.from('PROXY TCP4 192.0.2 10.0.0.1 1 2\r\n')],
  ['an address of the other family', Buffer.from('PROXY TCP4 2001:db8::7 ::1 1 2\r\n')],
  ['no ports', Buffer.from('PROXY TCP4 192.0.2.7 10.0.0.1\r\n')],
  ['ports that are none', Buffer.from('PROXY TCP4 192.0.2.7 10.0.0.1 a b\r\n')],
  ['a line without end', Buffer.from(`PROXY TCP4 ${'1'.repeat(100)}`)],
  ['an unknown command', v2('22 11 000c c0000207 0a000001 dc04 20fb')],
  ['a third version', v2('31 11 000c c0000207 0a000001 dc04 20fb')],
  ['addresses that are too short', v2('21 11 0004 c0000207')],
  ['unix sockets', v2('21 31 00d8')],
  ['a header without bounds', v2('21 11 ffff')],
])('%s is no header', (_, bytes) => {
  const padded = Buffer.concat([bytes, Buffer.alloc(300, 0x41)])
  expect(parseProxyHeader(padded)).toBe('wrong')
})
