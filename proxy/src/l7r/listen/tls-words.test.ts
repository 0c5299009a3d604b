import { describe, expect, test } from 'vitest'
import { parseCiphers, parseTlsVersions } from './tls-words.ts'

describe('SSL_version', () => {
  test.each([
    ['', 'TLSv1.2', 'TLSv1.3', []],
    ['TLSv1_2:TLSv1_3', 'TLSv1.2', 'TLSv1.3', []],
    ['TLSv1_2:!SSLv3:!SSLv2:!TLSv1', 'TLSv1.2', 'TLSv1.2', []],
    ['SSLv23:!SSLv3:!SSLv2', 'TLSv1.2', 'TLSv1.3', []],
    ['SSLv23:!TLSv1_3', 'TLSv1.2', 'TLSv1.2', []],
    ['!TLSv1_2', 'TLSv1.3', 'TLSv1.3', []],
    ['TLSv13', 'TLSv1.3', 'TLSv1.3', []],
    ['TLSv1_1:TLSv1_2', 'TLSv1.2', 'TLSv1.2', ['TLSv1_1']],
    ['TLSv1_2:quick', 'TLSv1.2', 'TLSv1.2', ['quick']],
  ])('%s', (text, min, max, ignored) => {
    expect(parseTlsVersions(text)).toEqual({ min, max, ignored })
  })

  test.each(['TLSv1', 'SSLv3:TLSv1_1', '!TLSv1_2:!TLSv1_3', 'TLSv1_2:!TLSv1_2'])(
    '%s leaves nothing',
    (text) => {
      expect(() => parseTlsVersions(text)).toThrow('leaves neither')
    },
  )
})

describe('SSL_cipher_list', () => {
  test("QVD's own list goes on to mean the same, and TLS 1.3 stays", () => {
    const text = 'HIGH:!aNULL:!MD5:!RC4:!3DES:!DES:!MEDIUM:!LOW:!EXPORT'
    const { list, ignored } = parseCiphers(text)
    expect(list).toMatch(/^TLS_AES_256_GCM_SHA384:.*:HIGH:!aNULL:/)
    expect(ignored).toEqual([])
  })

  test('nothing is what Node chooses', () => {
    expect(parseCiphers('')).toEqual({ list: undefined, ignored: [] })
  })

  test('a word that finds no cipher is named', () => {
    expect(parseCiphers('HIGH:QUICK').ignored).toEqual(['QUICK'])
  })

  test('a list of which nothing is left is refused', () => {
    expect(() => parseCiphers('QUICK')).toThrow('is no list of ciphers')
  })
})
