import { selfSigned } from '@ostler/kit/certificate.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { adminRoutes } from '@ostler/proxy/api/routes.ts'
import { serveOnSocket, serveOverTls } from '@ostler/proxy/api/server.ts'
import { Streams } from '@ostler/proxy/api/streams.ts'
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { adminParts } from '../fixtures/admin-api.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'

/** The program `qa` itself, at the socket of a node and from elsewhere. */
const QA = join(import.meta.dirname, '../../qa/src/bin/qa.ts')
const QA_MS = 60_000

let database: TestDatabase
let server: Awaited<ReturnType<typeof serveOverTls>>
let socketServer: AsyncDisposable
let fingerprint: string
const folder = mkdtempSync(join(tmpdir(), 'ostler-qa-'))
const [socket, login] = [join(folder, 'api.sock'), join(folder, 'kept/qa.json')]

beforeAll(async () => {
  database = await openTestDatabase()
  const streams = new Streams(silentLog)
  const { certificate: cert, key } = await selfSigned(['node.example'], 1)
  fingerprint = new X509Certificate(cert).fingerprint256
  const parts = adminParts(database, undefined, { streams })
  socketServer = await serveOnSocket(adminRoutes(parts, 'socket'), socket, undefined)
  const tls = adminRoutes(parts, 'network')
  server = await serveOverTls(tls, { host: '127.0.0.1', port: 0 }, { cert, key })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await socketServer[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

async function qa(words: readonly string[], { env = {}, input = '' } = {}) {
  const settings = { env: { PATH: process.env['PATH'], OSTLER_QA_LOGIN: login, ...env }, timeout: QA_MS }
  return await new Promise<{ code: unknown; out: string; said: string }>((resolve) => {
    const child = execFile(process.execPath, [QA, ...words], settings, (error, out, said) =>
      resolve({ code: error === null ? 0 : error.code, out, said }),
    )
    child.stdin?.end(input)
  })
}
const local = { OSTLER_API_SOCKET: socket }

test('the first administrator is invited on the node, signs in from elsewhere, and works there by a token', async () => {
  const init = await qa(['administrator', 'init', 'name=ada'], { env: local })
  expect(init.code).toBe(0)
  const code = init.out.trim().split('\n').at(-1) ?? ''
  const url = `url=https://127.0.0.1:${server.port}`

  const blind = await qa(['login', url, 'code=-'], { input: `${code}\n` })
  expect([blind.code, blind.said]).toEqual([76, expect.stringContaining(`fingerprint=${fingerprint}`)])
  const other = fingerprint.replace(/^../, '00')
  const wrong = await qa(['login', url, 'code=-', `fingerprint=${other}`], { input: `${code}\n` })
  expect([wrong.code, wrong.said]).toEqual([76, expect.stringContaining('client.untrusted')])
  const right = await qa(['login', url, 'code=-', `fingerprint=${fingerprint}`], { input: `${code}\n` })
  expect([right.code, right.out]).toEqual([0, expect.stringContaining('signed in as ada')])
  expect(statSync(login).mode & 0o777).toBe(0o600)
  expect(readFileSync(login, 'utf8').includes(code)).toBe(false)

  const added = await qa(['user', 'add', 'login=ann', 'password=hush'])
  expect([added.code, added.out]).toEqual([0, 'User added with id 1\n'])
  expect(added.said).toContain('warning: others on this machine can read a command line')
  const listed = await qa(['user', 'list', '-f', 'login=a*', '--csv', '--columns=login,tenant'])
  expect([listed.code, listed.out, listed.said]).toEqual([0, 'login,tenant\nann,default\n', ''])
  const audit = await qa(['audit', 'list', '--limit=1'])
  expect(audit.out).toMatch(/ada {2}201 {2}POST \/v1\/users {2}user ann {2}-/)
})

test('a file with a token that others can read is refused', async () => {
  chmodSync(login, 0o640)
  const { code, said } = await qa(['user', 'list'])
  expect([code, said]).toEqual([64, expect.stringContaining('can be read by others')])
  chmodSync(login, 0o600)
})

test('who signs out has no token, and the socket of the node still is the administrator', async () => {
  expect((await qa(['logout'])).code).toBe(0)
  expect(statSync(login, { throwIfNoEntry: false })).toBeUndefined()
  const { out } = await qa(['administrator', 'list', '--columns=name,role', '-q'], { env: local })
  expect(out).toBe('ada   superadmin\n')
})
