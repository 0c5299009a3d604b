import { Fault } from '@ostler/contract/fault.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { Directory, DirectoryCertificates, freePort } from '../fixtures/directory.ts'
import {
  ldap,
  ldapThenDefault,
  PEOPLE_BASE,
  person,
  recordedLog,
  type Settings,
  unit,
} from '../fixtures/ldap-people.ts'

const LDIF = [unit('people'), person('ann')].join('')
const UNAVAILABLE = { code: 'auth.unavailable' }
/** An answer to the first question: StartTLS is granted. */
const START_TLS_GRANTED = Buffer.from('300c02010178070a010004000400', 'hex')

let certificates: DirectoryCertificates
/** Its certificate is good for `localhost` alone. */
let directory: Directory

beforeAll(async () => {
  certificates = await DirectoryCertificates.make()
  directory = await Directory.start({ ldif: LDIF, tls: await certificates.issue('DNS:localhost') })
})

afterAll(async () => {
  await directory[Symbol.asyncDispose]()
  certificates[Symbol.dispose]()
})

function search(more: Settings): Settings {
  return { 'auth.ldap.base': PEOPLE_BASE, 'auth.ldap.scope': 'sub', 'auth.ldap.timeout': '20', ...more }
}

/** How our directory is reached with TLS, in both ways. */
const WAYS = [
  [
    'StartTLS',
    (of: Directory, host: string) =>
      search({ 'auth.ldap.host': `ldap://${host}:${of.port}`, 'auth.ldap.starttls': '1' }),
  ],
  ['ldaps', (of: Directory, host: string) => search({ 'auth.ldap.host': `ldaps://${host}:${of.tlsPort}` })],
] as const

/** Expects 503, and a line in the log that says why, without any password. */
async function expectTrouble(settings: Settings, words: RegExp): Promise<void> {
  const { log, lines } = recordedLog()
  await expect(ldap(settings, log)('ann', 'pw-ann')).rejects.toMatchObject(UNAVAILABLE)
  expect(lines.join('\n')).toMatch(words)
  expect(lines.join('\n')).not.toContain('pw-ann')
}

test.each(WAYS)('%s with a private authority', async (_, way) => {
  const ask = ldap({ ...way(directory, 'localhost'), 'auth.ldap.ca': certificates.authority() })
  expect(await ask('ann', 'pw-ann')).toMatchObject({ kind: 'accept' })
  expect(await ask('ann', 'wrong')).toMatchObject({ kind: 'reject' })
})

test.each(WAYS)('%s: another authority, none, and an unusable file', async (_, way) => {
  const settings = way(directory, 'localhost')
  const other = { 'auth.ldap.ca': certificates.authority('other-ca') }
  await expectTrouble({ ...settings, ...other }, /cannot be trusted: .*\(UNABLE_TO_VERIFY_LEAF_SIGNATURE\)/)
  // The system knows no authority of a test.
  await expectTrouble(settings, /cannot be trusted: .*\(UNABLE_TO_VERIFY_LEAF_SIGNATURE\)/)
  await expectTrouble(
    { ...settings, 'auth.ldap.ca': '/nowhere/ca.pem' },
    /auth\.ldap\.ca is not usable: ENOENT/,
  )
  await expectTrouble({ ...settings, 'auth.ldap.ca': '/etc/passwd' }, /\/etc\/passwd holds no certificate/)
})

test.each(WAYS)('%s: the certificate must be good for the host in the address', async (_, way) => {
  const settings = { ...way(directory, '127.0.0.1'), 'auth.ldap.ca': certificates.authority() }
  await expectTrouble(settings, /cannot be trusted: .*\(ERR_TLS_CERT_ALTNAME_INVALID\)/)
})

test.each(WAYS)('%s: an address of numbers is verified too', async (_, way) => {
  await using numbered = await Directory.start({ ldif: LDIF, tls: await certificates.issue('IP:127.0.0.1') })
  const settings = { ...way(numbered, '127.0.0.1'), 'auth.ldap.ca': certificates.authority() }
  expect(await ldap(settings)('ann', 'pw-ann')).toMatchObject({ kind: 'accept' })
})

test.each(WAYS)('%s: an expired certificate', async (_, way) => {
  const tls = await certificates.issue('DNS:localhost', '2020-01-01')
  await using expired = await Directory.start({ ldif: LDIF, tls })
  const settings = { ...way(expired, 'localhost'), 'auth.ldap.ca': certificates.authority() }
  await expectTrouble(settings, /cannot be trusted: .*\(CERT_HAS_EXPIRED\)/)
})

test.each(WAYS)('%s: nothing in the environment turns verification off', async (_, way) => {
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
  const settings = { ...way(directory, 'localhost'), 'auth.ldap.ca': certificates.authority('other-ca') }
  await expectTrouble(settings, /cannot be trusted/).finally(() => vi.unstubAllEnvs())
})

test('a new file of authorities counts at once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-ldap-ca-'))
  try {
    const file = join(folder, 'ca.pem')
    writeFileSync(file, '')
    const ask = ldap({ ...WAYS[0][1](directory, 'localhost'), 'auth.ldap.ca': file })
    await expect(ask('ann', 'pw-ann')).rejects.toMatchObject(UNAVAILABLE)
    copyFileSync(certificates.authority(), file)
    expect(await ask('ann', 'pw-ann')).toMatchObject({ kind: 'accept' })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a directory without TLS is not asked in the clear instead', async () => {
  await using plain = await Directory.start({ ldif: LDIF })
  await using tap = await Peer.open((socket) => forward(socket, plain.port))
  await expectTrouble(
    search({ 'auth.ldap.host': tap.uri, 'auth.ldap.starttls': '1' }),
    /answered StartTLS with/,
  )
  expect(tap.heard()).not.toContain('pw-ann')
})

test('with StartTLS no name and no password is ever readable', async () => {
  await using tap = await Peer.open((socket) => forward(socket, directory.port))
  const settings = search({
    'auth.ldap.host': `ldap://localhost:${tap.port}`,
    'auth.ldap.starttls': '1',
    'auth.ldap.ca': certificates.authority(),
  })
  expect(await ldap(settings)('ann', 'pw-ann')).toMatchObject({ kind: 'accept' })
  expect(tap.heard()).toContain('1.3.6.1.4.1.1466.20037')
  expect(tap.heard()).not.toMatch(/ann|people/)
})

test('what is slipped in before TLS begins ends the conversation', async () => {
  await using peer = await Peer.open((socket) =>
    // The beginning of a success that would swallow the true answer.
    socket.once('data', () =>
      socket.write(Buffer.concat([START_TLS_GRANTED, Buffer.from('3030020102', 'hex')])),
    ),
  )
  await expectTrouble(
    search({
      'auth.ldap.host': peer.uri,
      'auth.ldap.starttls': '1',
      'auth.ldap.ca': certificates.authority(),
    }),
    /sent more than its answer before TLS began/,
  )
})

test('a connection that is lost is not made again in the clear', async () => {
  await using peer = await Peer.open((socket) => socket.once('data', () => socket.end(START_TLS_GRANTED)))
  const settings = {
    'auth.ldap.host': peer.uri,
    'auth.ldap.starttls': '1',
    'auth.ldap.ca': certificates.authority(),
  }
  await expectTrouble(search(settings), /cannot be trusted/)
  expect(peer.connections).toBe(1)
  expect(peer.heard()).not.toContain('ann')
})

const PEERS: Readonly<Record<string, (socket: Socket) => void>> = {
  'says nothing': () => {},
  'ends at once': (socket) => socket.end(),
  resets: (socket) => socket.resetAndDestroy(),
  'resets when asked': (socket) => socket.once('data', () => socket.resetAndDestroy()),
  'ends when asked': (socket) => socket.once('data', () => socket.end()),
  'speaks HTTP': (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
  'speaks SSH': (socket) => socket.write('SSH-2.0-OpenSSH_9.2p1\r\n'),
  'sends zeros': (socket) => socket.write(Buffer.alloc(4_096)),
  'promises gigabytes': (socket) => socket.write(Buffer.from('3084ffffffff', 'hex')),
  'promises without end': (socket) => socket.write(Buffer.from('3080', 'hex')),
  'sends half an answer': (socket) =>
    socket.once('data', () => socket.write(START_TLS_GRANTED.subarray(0, 9))),
  'never stops': (socket) => {
    const pour = (): void => {
      while (
        !socket.destroyed &&
        socket.write(Buffer.alloc(65_536, Buffer.from('300c02010578070a010004000400', 'hex')))
      );
    }
    socket.on('drain', pour)
    pour()
  },
  'answers another question': (socket) => socket.on('data', () => socket.write(START_TLS_GRANTED)),
}

test.each(Object.keys(PEERS))('a peer that %s cannot tell, and the next one is asked', async (name) => {
  await using peer = await Peer.open(PEERS[name] ?? (() => {}))
  const alone = search({ 'auth.ldap.host': peer.uri, 'auth.ldap.timeout': '1' })
  await expectTrouble(alone, new RegExp(peer.uri))
  const { signIn, asked } = await ldapThenDefault(alone, { ann: 'pw-here' })
  await expect(signIn('ann', 'pw-here')).rejects.toMatchObject(UNAVAILABLE)
  expect(asked).toEqual([])
  const hosts = `${peer.uri}, ${directory.uri}`
  const both = ldap({ ...alone, 'auth.ldap.host': hosts, 'auth.ldap.timeout': '4' })
  expect(await both('ann', 'pw-ann')).toMatchObject({ kind: 'accept' })
  expect(await both('ann', 'wrong')).toMatchObject({ kind: 'reject' })
})

test('an answer is final: the second directory is asked only when the first cannot tell', async () => {
  await using second = await Peer.open(() => {})
  const ask = ldap(search({ 'auth.ldap.host': `${directory.uri} ${second.uri}` }))
  expect(await ask('ann', 'pw-ann')).toMatchObject({ kind: 'accept' })
  expect(await ask('ann', 'wrong')).toMatchObject({ kind: 'reject' })
  expect(await ask('nobody', 'wrong')).toMatchObject({ kind: 'abstain' })
  expect(second.connections).toBe(0)
})

test('a silent directory is waited for once, then the others come first', async () => {
  await using silent = await Peer.open(() => {})
  const ask = ldap(search({ 'auth.ldap.host': `${silent.uri},${directory.uri}`, 'auth.ldap.timeout': '4' }))
  for (let round = 0; round < 5; round++) expect(await ask('ann', 'pw-ann')).toMatchObject({ kind: 'accept' })
  expect(silent.connections).toBe(1)
})

test('nobody listens, or the host has no address', async () => {
  await expectTrouble(
    search({ 'auth.ldap.host': `ldap://127.0.0.1:${await freePort()}` }),
    /cannot be reached: .*ECONNREFUSED/,
  )
  await expectTrouble(
    search({ 'auth.ldap.host': 'ldap://directory.invalid' }),
    /cannot be reached|did not answer/,
  )
  await expectTrouble(
    search({ 'auth.ldap.host': `ldaps://127.0.0.1:${directory.port}` }),
    /cannot be trusted|did not answer/,
  )
})

test('ldap,default: a directory that is down is 503 and never 401, also for users with a password here', async () => {
  await using own = await Directory.start({ ldif: LDIF })
  const { signIn, asked } = await ldapThenDefault(search({ 'auth.ldap.host': own.uri }), {
    ann: '',
    local: 'here',
  })
  expect(await signIn('ann', 'pw-ann')).toMatchObject({ login: 'ann' })
  expect(await signIn('local', 'here')).toMatchObject({ login: 'local' })
  await own.kill('SIGTERM')
  asked.length = 0
  for (const [login, password] of [
    ['ann', 'pw-ann'],
    ['ann', 'wrong'],
    ['local', 'here'],
    ['nobody', 'x'],
  ] as const)
    await expect(signIn(login, password)).rejects.toMatchObject(UNAVAILABLE)
  expect(asked).toEqual([])
  await own.restart()
  expect(await signIn('ann', 'pw-ann')).toMatchObject({ login: 'ann' })
  await expect(signIn('ann', 'wrong')).rejects.toMatchObject({ code: 'auth.required' })
})

test('a stopped directory is given up in time, and asked again when it goes on', async () => {
  await using own = await Directory.start({ ldif: LDIF })
  const { signIn } = await ldapThenDefault(search({ 'auth.ldap.host': own.uri, 'auth.ldap.timeout': '1' }), {
    ann: '',
  })
  own.signal('SIGSTOP')
  await expect(signIn('ann', 'pw-ann')).rejects.toMatchObject(UNAVAILABLE)
  own.signal('SIGCONT')
  const isIn = (): Promise<boolean> => signIn('ann', 'pw-ann').then(() => true, isUnavailable)
  expect(await comesToHold(isIn, 20_000, 100)).toBe(true)
})

test('the time of the whole sign-in ends it too, with the same answer', async () => {
  await using silent = await Peer.open(() => {})
  const settings = search({ 'auth.ldap.host': `${silent.uri} ${silent.uri}`, 'auth.ldap.timeout': '60' })
  const { signIn } = await ldapThenDefault(settings, { ann: '' }, 500)
  await expect(signIn('ann', 'pw-ann')).rejects.toMatchObject(UNAVAILABLE)
  expect(await comesToHold(() => silent.open === 0, 10_000, 20)).toBe(true)
  const { log, lines } = recordedLog()
  const gone = new AbortController()
  const answer = ldap(settings, log)('ann', 'pw-ann', gone.signal)
  gone.abort(new Error('nobody waits'))
  await expect(answer).rejects.toThrow('nobody waits')
  expect(lines.join('\n')).toContain('did not answer before the sign-in had to end')
})

test('a directory that is killed and started again in mid-login never says no to the right password', async () => {
  await using own = await Directory.start({ ldif: LDIF })
  const before = readdirSync('/proc/self/fd').length
  const ask = ldap(search({ 'auth.ldap.host': own.uri }))
  const seen = { accept: 0, unavailable: 0, other: [] as unknown[] }
  let over = false
  const crowd = Array.from({ length: 8 }, async () => {
    while (!over)
      await ask('ann', 'pw-ann').then(
        (verdict) => (verdict.kind === 'accept' ? (seen.accept += 1) : seen.other.push(verdict)),
        (error: unknown) =>
          error instanceof Fault && error.code === 'auth.unavailable'
            ? (seen.unavailable += 1)
            : seen.other.push(error),
      )
  })
  try {
    for (let round = 0; round < 4; round++) {
      const accepted = seen.accept
      expect(await comesToHold(() => seen.accept > accepted + 50, 20_000, 5)).toBe(true)
      await own.kill(round % 2 === 0 ? 'SIGKILL' : 'SIGTERM')
      const failed = seen.unavailable
      expect(await comesToHold(() => seen.unavailable > failed, 20_000, 5)).toBe(true)
      await own.restart()
    }
    const accepted = seen.accept
    expect(await comesToHold(() => seen.accept > accepted, 20_000, 5)).toBe(true)
  } finally {
    over = true
    await Promise.all(crowd)
  }
  expect(seen.other).toEqual([])
  expect(await comesToHold(() => readdirSync('/proc/self/fd').length <= before, 10_000, 50)).toBe(true)
})

test('trouble of all kinds leaves no descriptor behind', async () => {
  const before = readdirSync('/proc/self/fd').length
  {
    await using silent = await Peer.open(() => {})
    const badTls = { ...WAYS[0][1](directory, '127.0.0.1'), 'auth.ldap.ca': certificates.authority() }
    const noise = ldap(search({ 'auth.ldap.host': silent.uri, 'auth.ldap.timeout': '1' }))
    const kinds = [
      () => noise('ann', 'pw-ann'),
      () => noise('ann', 'pw-ann', AbortSignal.timeout(5)),
      () => ldap(badTls)('ann', 'pw-ann'),
      () => ldap(badTls)('ann', 'pw-ann', AbortSignal.timeout(2)),
    ]
    const rejected = Array.from({ length: 200 }, (_, index) =>
      expect(kinds[index % kinds.length]?.()).rejects.toThrow(),
    )
    await Promise.all(rejected)
    expect(await comesToHold(() => silent.open === 0, 10_000, 20)).toBe(true)
  }
  expect(await comesToHold(() => readdirSync('/proc/self/fd').length <= before, 10_000, 50)).toBe(true)
})

/** @throws what it is given, unless that says that nobody could tell. */
function isUnavailable(error: unknown): false {
  if (error instanceof Fault && error.code === 'auth.unavailable') return false
  throw error
}

/** Somebody who listens on loopback and behaves as told. */
class Peer implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #heard: Buffer[] = []
  connections = 0

  private constructor(behave: (socket: Socket) => void) {
    this.#server = createServer((socket) => {
      this.connections += 1
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => this.#sockets.delete(socket))
      socket.on('data', (chunk: Buffer) => this.#heard.push(chunk))
      behave(socket)
    })
  }

  static async open(behave: (socket: Socket) => void): Promise<Peer> {
    const peer = new Peer(behave)
    peer.#server.listen(0, '127.0.0.1')
    await new Promise((resolve) => peer.#server.once('listening', resolve))
    return peer
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  get uri(): string {
    return `ldap://127.0.0.1:${this.port}`
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#sockets.size
  }

  heard(): string {
    return Buffer.concat(this.#heard).toString('latin1')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

function forward(socket: Socket, port: number): void {
  const further = connect(port, '127.0.0.1')
  further.on('error', () => socket.destroy())
  socket.once('close', () => further.destroy())
  socket.pipe(further).pipe(socket)
}
