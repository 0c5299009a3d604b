import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { ApiClient } from './api-client.ts'
import { runCommand } from './commands.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-qa-ssl-'))
const at = (name: string): string => join(folder, name)
for (const name of ['key', 'cert', 'ca', 'crl']) writeFileSync(at(name), `PEM of ${name}`)
afterAll(() => rmSync(folder, { recursive: true }))

const certificate = {
  subject: 'CN=vdi.example',
  issuer: 'CN=House',
  names: ['DNS:vdi.example', 'DNS:desk.example'],
  validFrom: '2026-01-01T00:00:00.000Z',
  validTo: '2026-12-31T00:00:00.000Z',
  fingerprint: 'AA:BB',
  chain: 2,
  warnings: [] as string[],
}
const shown = {
  origin: 'file',
  file: '/c.pem',
  certificate,
  ca: false,
  crl: false,
  setAt: null,
  shownHere: 'AA:BB',
}

/** Runs `qa config ssl` against an api that answers as given. */
async function ssl(words: readonly string[], answer: unknown = shown, input = '') {
  const [calls, lines]: [unknown[], string[]] = [[], []]
  const api: ApiClient = {
    get: async (path) => (calls.push(['GET', path]), answer),
    post: async (path, body) => (calls.push(['POST', path, body]), answer),
    patch: async (path, body) => (calls.push(['PATCH', path, body]), answer),
    delete: async (path) => (calls.push(['DELETE', path]), answer),
    watch: async (path) => void calls.push(['WATCH', path]),
  }
  const out = { print: (line: string) => void lines.push(line), readInput: async () => input }
  const failed = await runCommand(['config', 'ssl', ...words], api, out).then(
    () => undefined,
    (error: unknown) => error,
  )
  return { calls, lines, failed }
}

test("the files' content is sent, and QVD's sentence names what was set", async () => {
  const four = ['key', 'cert', 'ca', 'crl'].map((name) => `${name}=${at(name)}`)
  const { calls, lines } = await ssl(four, { ...shown, warnings: ['it has expired'] })
  const body = { key: 'PEM of key', cert: 'PEM of cert', ca: 'PEM of ca', crl: 'PEM of crl' }
  expect(calls).toEqual([['POST', '/v1/ssl', body]])
  expect(lines).toEqual([
    'SSL certificate, private key, ca and crl set.',
    'fingerprint AA:BB',
    'warning: it has expired',
  ])
  expect((await ssl(four.slice(0, 2), { ...shown, warnings: [] })).lines[0]).toBe(
    'SSL certificate and private key set.',
  )
})

test('a key may come from standard input, and lie in no file', async () => {
  const { calls } = await ssl(['key=-', `cert=${at('cert')}`], { ...shown, warnings: [] }, 'PEM by hand\n')
  expect(calls).toEqual([['POST', '/v1/ssl', { key: 'PEM by hand\n', cert: 'PEM of cert' }]])
})

test.each([
  [[`key=${at('key')}`], 'cert must be given'],
  [['crl=-'], 'key and cert must be given'],
  [['key=-', 'cert=-'], 'only one file can come from standard input'],
  [['key=/nowhere/key.pem', 'cert=-'], '/nowhere/key.pem cannot be read (ENOENT)'],
  [[`key=${at('key')}`, `key=${at('key')}`], 'is not one of the files'],
  [['pem=x'], 'pem=x is not one of the files'],
  [['del', 'key=x'], 'del is not one of the files'],
])('%j is refused, and nothing is sent', async (words, sentence) => {
  const { calls, failed } = await ssl(words, shown, 'PEM')
  expect(failed).toMatchObject({ code: 'client.choice' })
  expect(String(failed)).toContain(sentence)
  expect(calls).toEqual([])
})

const LINES = [
  'subject: CN=vdi.example',
  'issuer: CN=House',
  'names: DNS:vdi.example, DNS:desk.example',
  'valid: 2026-01-01T00:00:00.000Z to 2026-12-31T00:00:00.000Z',
  'fingerprint: AA:BB',
  'chain: 2',
]
const SET = { origin: 'database', setAt: '2026-02-01T00:00:00.000Z' }

test.each([
  [{}, [...LINES, 'origin: file /c.pem']],
  [SET, [...LINES, 'origin: database, set at 2026-02-01T00:00:00.000Z']],
  [{ ...SET, ca: true, crl: true }, [...LINES, 'origin: database, ca, crl, set at 2026-02-01T00:00:00.000Z']],
  [
    { ...SET, shownHere: 'CC' },
    [
      ...LINES,
      'origin: database, set at 2026-02-01T00:00:00.000Z',
      'warning: doors of this node still have another one, CC: see the log of hkd',
    ],
  ],
  [
    { certificate: { ...certificate, warnings: ['it expires in 3 days'] } },
    [...LINES, 'origin: file /c.pem', 'warning: it expires in 3 days'],
  ],
  [
    { certificate: null, origin: 'none', shownHere: null },
    ['origin: none, the doors of this node speak without TLS'],
  ],
])('without a word it is shown: %j', async (changed, expected) => {
  const { calls, lines } = await ssl([], { ...shown, ...changed })
  expect(calls).toEqual([['GET', '/v1/ssl']])
  expect(lines).toEqual(expected)
})

test('del takes it away', async () => {
  const { calls, lines } = await ssl(['del'], { wasSet: true, file: '/c.pem' })
  expect(calls).toEqual([['DELETE', '/v1/ssl']])
  expect(lines).toEqual(['SSL files deleted: doors go back to the files of their nodes, here /c.pem.'])
})
