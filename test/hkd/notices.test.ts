import { selfSigned } from '@ostler/kit/certificate.ts'
import type { Log } from '@ostler/kit/log.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { mailer, type MailSettings } from '@ostler/proxy/hkd/notice/mail.ts'
import { Notifier, type NotifierSettings } from '@ostler/proxy/hkd/notice/notifier.ts'
import { signatureOf, webhook } from '@ostler/proxy/hkd/notice/webhook.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { addWish, moveVm } from '@ostler/proxy/store/vms.ts'
import { sql } from 'kysely'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addTestDesktop } from '../fixtures/database-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { until } from '../fixtures/world.ts'

/** The real outbox in a real database, emptied into a real SMTP server and a real HTTP server, which misbehave. */
const PASSWORD = 'correct-horse'

let database: TestDatabase
let db: Db
let folder: string
let certificate: { certificate: string; key: string }
let desktops = 0
const open: AsyncDisposable[] = []

beforeAll(async () => {
  database = await openTestDatabase()
  db = database.as('hkd')
  folder = mkdtempSync(join(tmpdir(), 'ostler-notices-'))
  certificate = await selfSigned(['localhost', '127.0.0.1'], 2)
  writeFileSync(join(folder, 'ca.pem'), certificate.certificate)
  writeFileSync(join(folder, 'password'), `${PASSWORD}\n`, { mode: 0o600 })
})
afterAll(async () => {
  await database[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})
beforeEach(async () => {
  await db.deleteFrom('vm').execute()
  await db.deleteFrom('notice').execute()
  await db
    .updateTable('notice_channel')
    .set({ next_at: new Date(0), held_until: null, failures: 0, fault: null })
    .execute()
})
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each[Symbol.asyncDispose]()
})

const addDesktop = (): Promise<number> => addTestDesktop(db, `10.2.${++desktops >> 8}.${desktops & 255}`)

/** A desktop that was made and failed. */
async function failed(text = 'the image is broken'): Promise<number> {
  const id = await addDesktop()
  const vm = { id, epoch: 3 }
  await moveVm(db, { vm: { ...vm, state: 'stopped' }, event: 'start', to: 'preparing' })
  const fault = { text, code: 'image.unusable', cure: 'Mend it.' }
  await moveVm(db, { vm: { id, epoch: 4, state: 'preparing' }, event: 'fault', to: 'failed', fault })
  return id
}
const notices = () => db.selectFrom('notice').selectAll().orderBy('id').execute()
const untold = async (column: 'mailed_at' | 'posted_at'): Promise<number> =>
  (await notices()).filter((row) => row[column] === null).length

function notifier(more: Partial<NotifierSettings>): Notifier {
  const made = new Notifier({
    db,
    channels: {},
    kinds: ['failure', 'provision', 'expiry'],
    everyMs: 100,
    keepDays: 3,
    again: { firstMs: 100, longestMs: 400 },
    lookMs: 50,
    tellMs: 20_000,
    log: silentLog,
    ...more,
  })
  open.push(made)
  return made
}

interface Letter {
  readonly to: string[]
  readonly raw: string
}

/** A mail server. @returns its port, and the letters that it has taken. */
async function mailServer(
  more: SMTPServerOptions = {},
  port = 0,
): Promise<{ port: number; letters: Letter[]; stop: () => Promise<void> }> {
  const letters: Letter[] = []
  const server = new SMTPServer({
    key: certificate.key,
    cert: certificate.certificate,
    authOptional: true,
    disableReverseLookup: true,
    onData: (stream, session, done) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const to = session.envelope.rcptTo.map(({ address }) => address)
        letters.push({ to, raw: Buffer.concat(chunks).toString() })
        done()
      })
    },
    onAuth: ({ username, password }, _, done) => {
      if (username === 'ostler' && password === PASSWORD) done(null, { user: 'ostler' })
      else done(new Error('no'))
    },
    ...more,
  })
  server.on('error', () => {})
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  let isOpen = true
  const stop = async (): Promise<void> => {
    if (isOpen) await new Promise<void>((resolve) => server.close(() => resolve()))
    isOpen = false
  }
  open.push({ [Symbol.asyncDispose]: stop })
  return { port: (server.server.address() as AddressInfo).port, letters, stop }
}

function mail(port: number, more: Partial<MailSettings> = {}): NotifierSettings['channels'] {
  const settings: MailSettings = {
    node: 'node1',
    host: '127.0.0.1',
    port,
    tls: 'starttls',
    ca: join(folder, 'ca.pem'),
    user: '',
    from: 'ostler@example.org',
    to: ['admin@example.org'],
    ...more,
  }
  return { mail: mailer(settings) }
}

interface Post {
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** A web server that answers as told; `undefined`: not at all. @returns its address, and what was posted to it. */
async function webServer(
  answer: (response: ServerResponse, count: number) => void,
): Promise<{ url: URL; posts: Post[] }> {
  const posts: Post[] = []
  const server: Server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      posts.push({ headers: request.headers, body })
      answer(response, posts.length)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push({
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`), posts }
}

const ids = (post: Post): number[] =>
  (JSON.parse(post.body) as { notices: { id: number }[] }).notices.map(({ id }) => id)

describe('a notice is written with the fact itself', () => {
  test('of a desktop that is made, by whichever program', async () => {
    const id = await addDesktop()
    const [notice] = await notices()
    expect(notice).toMatchObject({ kind: 'provision', vm_id: id, said: 'the desktop was made' })
    expect(notice?.login).toMatch(/^user/)
    const { user_id, flavour_id } = await db.selectFrom('vm').selectAll().executeTakeFirstOrThrow()
    const row = { name: 'by-the-api', user_id, flavour_id, address: '10.9.9.9' }
    await database.as('api').insertInto('vm').values(row).execute()
    expect((await notices()).map(({ vm }) => vm)).toContain('by-the-api')
  })

  test('of a desktop that failed, with cause and cure, and of one that expires', async () => {
    const id = await failed()
    await addWish(db, { vmId: id, kind: 'expire', by: 'expiry', reason: 'expired at noon' })
    expect((await notices()).slice(1)).toMatchObject([
      { kind: 'failure', said: 'the image is broken', code: 'image.unusable', cure: 'Mend it.' },
      { kind: 'expiry', said: 'expired at noon' },
    ])
  })

  test('and not without it', async () => {
    const id = await addDesktop()
    const taken = db.transaction().execute(async (tx) => {
      await addWish(tx, { vmId: id, kind: 'expire', by: 'expiry', reason: 'never' })
      throw new Error('rolled back')
    })
    await expect(taken).rejects.toThrow('rolled back')
    expect(await notices()).toHaveLength(1)
  })

  test('which neither door nor api can write by itself', async () => {
    const id = await addDesktop()
    for (const role of ['l7r', 'api'] as const) {
      const own = database.as(role)
      await expect(sql`DELETE FROM ostler.notice`.execute(own)).rejects.toThrow('permission denied')
      const told = sql`SELECT ostler.tell('failure', ${id}, 'a lie', NULL, NULL)`.execute(own)
      await expect(told).rejects.toThrow('permission denied')
    }
  })
})

describe('a letter', () => {
  test('comes over STARTTLS with a sign-in, and says what, where and what to try', async () => {
    const { port, letters } = await mailServer({ authOptional: false })
    await failed()
    await db.deleteFrom('notice').where('kind', '=', 'provision').execute()
    const to = ['admin@example.org', 'second@example.org']
    const auth = { user: 'ostler', passwordFile: join(folder, 'password'), to }
    notifier({ channels: mail(port, auth) })
    await until('the letter', () => letters.length === 1)
    expect(letters[0]?.to).toEqual(to)
    expect(letters[0]?.raw).toMatch(/^Subject: \[ostler node1\] failure: desk\d+: the image is broken/m)
    expect(letters[0]?.raw).toMatch(/What to try: Mend it\.[^]*qa vm explain -f name=3?Ddesk|qa vm explain/)
    await until('it to be marked', async () => (await untold('mailed_at')) === 0)
  })

  test.each<[string, Partial<MailSettings>, SMTPServerOptions]>([
    ['with a wrong password', { user: 'ostler', passwordFile: 'wrong' }, { authOptional: false }],
    ['to a server whose certificate nobody vouches for', { ca: undefined }, {}],
    ['to a server that offers no TLS', {}, { hideSTARTTLS: true, disabledCommands: ['STARTTLS'] }],
    ['with a password that others can read', { user: 'ostler', passwordFile: 'open' }, {}],
  ])('is not sent %s, and the log says why without the password', async (_, settings, server) => {
    writeFileSync(join(folder, 'wrong'), 'battery-staple', { mode: 0o600 })
    writeFileSync(join(folder, 'open'), PASSWORD, { mode: 0o644 })
    const said: unknown[] = []
    const log: Log = { ...silentLog, warn: (message, fields) => void said.push(message, fields) }
    const { port, letters } = await mailServer(server)
    await failed()
    const passwordFile =
      settings.passwordFile === undefined ? {} : { passwordFile: join(folder, settings.passwordFile) }
    notifier({ channels: mail(port, { ...settings, ...passwordFile }), log })
    await until('two attempts', () => said.length >= 4)
    expect(letters).toEqual([])
    expect(await untold('mailed_at')).toBe(2)
    const channel = await db.selectFrom('notice_channel').selectAll().where('channel', '=', 'mail').execute()
    expect(channel[0]?.fault).toMatch(/^administrators could not be told by mail: ./)
    expect(JSON.stringify([said, channel])).not.toMatch(/battery-staple|correct-horse/)
  })

  test('waits for a server that is down, and comes once', async () => {
    const first = await mailServer()
    await first.stop()
    await failed()
    notifier({ channels: mail(first.port) })
    const failures = async (): Promise<number> =>
      (await db.selectFrom('notice_channel').select('failures').where('channel', '=', 'mail').execute())[0]
        ?.failures ?? 0
    await until('some attempts', async () => (await failures()) >= 3)
    const { letters } = await mailServer({}, first.port)
    await until('the letter', () => letters.length === 1)
    await until('it to be marked', async () => (await untold('mailed_at')) === 0)
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(letters).toHaveLength(1)
    expect(await failures()).toBe(0)
  })

  test.each([450, 550])('that is answered with %i is sent again', async (code) => {
    let refused = 0
    const { port, letters } = await mailServer({
      onRcptTo: (_, __, done) => {
        if (++refused > 2) done()
        else done(Object.assign(new Error('not now'), { responseCode: code }))
      },
    })
    await failed()
    notifier({ channels: mail(port) })
    await until('the letter', () => letters.length === 1)
    expect(refused).toBe(3)
  })

  test('to a server that says nothing is given up and sent again', async () => {
    let asked = 0
    const { port, letters } = await mailServer({
      onMailFrom: (_, __, done) => {
        if (++asked > 1) done()
      },
    })
    await failed()
    notifier({ channels: mail(port), tellMs: 2_000 })
    await until('the letter', () => letters.length === 1)
    expect(asked).toBeGreaterThan(1)
  })

  test('holds a whole storm', async () => {
    const { port, letters } = await mailServer()
    notifier({ channels: mail(port), everyMs: 1_500, kinds: ['failure'] })
    const id = await failed('the first')
    await until('the first letter', () => letters.length === 1)
    await sql`
      INSERT INTO ostler.vm_log (vm_id, epoch, event, prior, state, fault)
      SELECT ${id}, 4, 'fault', 'preparing', 'failed', 'no space left' FROM generate_series(1, 60)`.execute(
      db,
    )
    await until('all to be told', async () => (await untold('mailed_at')) === 0)
    expect(letters).toHaveLength(2)
    expect(letters[1]?.raw).toMatch(/^Subject: \[ostler node1\] 60 notices: 60 failures/m)
    expect(letters[1]?.raw).toContain('(60 times)')
    expect(letters[0]?.raw).not.toContain('new desktops')
  })
})

describe('a post', () => {
  test('is signed, so that its receiver knows who sent it and when', async () => {
    writeFileSync(join(folder, 'hmac'), 'a key\n', { mode: 0o600 })
    const { url, posts } = await webServer((response) => response.writeHead(204).end())
    await failed()
    notifier({ channels: { webhook: webhook({ node: 'node1', url, secretFile: join(folder, 'hmac') }) } })
    await until('it', () => posts.length === 1)
    const [{ headers, body }] = posts as [Post]
    const timestamp = String(headers['x-ostler-timestamp'])
    expect(headers['x-ostler-signature']).toBe(signatureOf('a key', timestamp, body))
    expect(signatureOf('another', timestamp, body)).not.toBe(headers['x-ostler-signature'])
    expect(JSON.parse(body)).toMatchObject({
      version: 1,
      node: 'node1',
      notices: [{ kind: 'provision' }, { kind: 'failure', said: 'the image is broken', cure: 'Mend it.' }],
    })
    await until('it to be marked', async () => (await untold('posted_at')) === 0)
  })

  test.each<[string, (response: ServerResponse) => unknown]>([
    ['is answered with 404', (response) => response.writeHead(404).end()],
    ['is answered with 500', (response) => response.writeHead(500).end()],
    ['is sent elsewhere', (response) => response.writeHead(307, { Location: 'http://127.0.0.1:9/' }).end()],
    ['is not answered', () => {}],
    ['is cut off', (response) => response.destroy()],
  ])('that %s is sent again, the same notices', async (_, misbehave) => {
    const { url, posts } = await webServer((response, count) => {
      if (count <= 2) misbehave(response)
      else response.writeHead(200).end('thanks')
    })
    await failed()
    notifier({ channels: { webhook: webhook({ node: 'node1', url }) }, tellMs: 2_000 })
    await until('it to be told', async () => (await untold('posted_at')) === 0)
    expect(posts.length).toBeGreaterThan(2)
    for (const post of posts) expect(ids(post)).toEqual(ids(posts[0] as Post))
  })

  test('is made by one node of several', async () => {
    const { url, posts } = await webServer((response) => setTimeout(() => response.writeHead(200).end(), 200))
    for (let count = 0; count < 3; count++) await failed()
    for (let node = 0; node < 3; node++)
      notifier({ channels: { webhook: webhook({ node: `node${node}`, url }) } })
    await until('all to be told', async () => (await untold('posted_at')) === 0)
    const told = posts.flatMap(ids)
    expect(told.toSorted()).toEqual([...new Set(told)].toSorted())
  })
})

test('a channel that is down does not keep the other', async () => {
  const { url, posts } = await webServer((response) => response.writeHead(200).end())
  await failed()
  notifier({ channels: { ...mail(1), webhook: webhook({ node: 'node1', url }) } })
  await until('the post', async () => (await untold('posted_at')) === 0)
  expect(posts).toHaveLength(1)
  expect(await untold('mailed_at')).toBe(2)
})

test('where nobody is to be told nothing waits, and what is old goes', async () => {
  await failed()
  notifier({})
  await until('nothing to wait', async () => (await untold('mailed_at')) + (await untold('posted_at')) === 0)
  await open.pop()?.[Symbol.asyncDispose]()
  await db
    .updateTable('notice')
    .set({ at: new Date(Date.now() - 5 * 86_400_000) })
    .execute()
  notifier({})
  await until('them to be gone', async () => (await notices()).length === 0)
})
