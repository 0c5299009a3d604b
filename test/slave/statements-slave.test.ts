import { serveFolderOnChannel } from '@ostler/client/folders/serve-on-channel.ts'
import { createHash, randomBytes } from 'node:crypto'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { basename, join } from 'node:path'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../fixtures/world.ts'
import { type ChannelRoom, KEY, openChannelRoom } from './channel-room.ts'
import { isMounted, sshfsMount } from './sshfs-mount.ts'

/**
 * Statements C-85 to C-92 of the compatibility page, over a real nxagent, nxproxy, sshfs and sftp-server, with the agent's own keeper of folders. What is below a mount is never
 * touched synchronously: its bytes come through this process.
 */

const SFTP = { Connection: 'Upgrade', Upgrade: 'qvd:sftp/1.0' }

let room: ChannelRoom
beforeAll(async () => {
  room = await openChannelRoom()
})
afterEach(() => {
  for (const rule of ['folders', 'folders.roots', 'ports'])
    room.parameters.delete(`qvd.ostler.policy.${rule}`)
})
afterAll(async () => await room[Symbol.asyncDispose]())

/** OpenSSH's sftp-server at the user's side, as QVD's clients start it. */
function serveShare(path: string, stream: Duplex, head: Buffer): void {
  const server = spawn('/usr/lib/openssh/sftp-server', ['-e'], {
    cwd: path,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  if (head.length > 0) stream.unshift(head)
  Promise.all([pipeline(stream, server.stdin), pipeline(server.stdout, stream)])
    .catch(() => {})
    .finally(() => stream.destroy())
}

/** A folder of the client with one file. */
function clientFolder(name: string, file = 'hello.txt'): string {
  const path = join(room.clientHome, name)
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, file), `in ${name}`)
  return path
}

const inGuest = (...path: string[]): string => join(room.guestHome, 'Redirected', ...path)

/** The link in her home comes and goes right after the mount. */
async function untilMounted(name: string, mounted = true): Promise<void> {
  const isLinked = (): boolean => lstatSync(inGuest(), { throwIfNoEntry: false })?.isSymbolicLink() === true
  await until(
    `${name} to be ${mounted ? 'mounted' : 'gone'}`,
    () => isMounted(room.point(name)) === mounted && isLinked() === mounted,
  )
}

/** Shares a folder by a request of QVD's clients, byte by byte. */
async function putShare(path: string, upgrade = 'qvd:sftp/1.0'): Promise<{ head: string; stream: Socket }> {
  const stream = await room.toGuest()
  stream.write(
    `PUT /shares/${path} HTTP/1.1\r\nAuthorization: Basic ${KEY}\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\n\r\n`,
  )
  const [chunk] = (await once(stream, 'data')) as [Buffer]
  stream.pause()
  const end = chunk.indexOf('\r\n\r\n') + 4
  if (end < chunk.length) stream.unshift(chunk.subarray(end))
  return { head: chunk.toString('utf8', 0, end), stream }
}

describe('folders of the client', () => {
  test('C-85: PUT with key and upgrade gives 101 and the ticket, and the content appears in ~/Redirected', async () => {
    const path = clientFolder('u')
    const { head, stream } = await putShare(path)
    expect(head).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/)
    expect(head).toMatch(/^X-QVD-Share-Ticket: u\r$/m)
    serveShare(path, stream, Buffer.alloc(0))
    await untilMounted('u')
    expect(await readFile(inGuest('u', 'hello.txt'), 'utf8')).toBe('in u')

    // Bytes cross the slave port both ways, unchanged.
    const bytes = randomBytes(3_000_000)
    writeFileSync(join(path, 'from-client'), bytes)
    const digest = (data: Buffer): string => createHash('sha256').update(data).digest('hex')
    expect(digest(await readFile(inGuest('u', 'from-client')))).toBe(digest(bytes))
    await writeFile(inGuest('u', 'from-guest'), bytes)
    expect(digest(readFileSync(join(path, 'from-guest')))).toBe(digest(bytes))
    stream.destroy()
    await untilMounted('u', false)
  })

  test('C-86: with a character set, the names are converted by the iconv module', async () => {
    const path = join(room.clientHome, 'latin')
    mkdirSync(path)
    writeFileSync(Buffer.concat([Buffer.from(`${path}/caf`), Buffer.from([0xe9])]), 'coffee')
    const { head, stream } = await putShare(path, 'qvd:sftp/1.0;charset=ISO-8859-1')
    expect(head).toMatch(/^HTTP\/1\.1 101 /)
    serveShare(path, stream, Buffer.alloc(0))
    await untilMounted('latin')
    expect(await readdir(inGuest('latin'))).toEqual(['café'])
    stream.destroy()
    await untilMounted('latin', false)
  })

  test('C-87: 401 without a key, 403 with a wrong one, 400 without upgrade, 409 for a mount point in use', async () => {
    const call = { method: 'PUT', path: '/shares//home/used', headers: SFTP } as const
    const bare = await room.toGuest()
    bare.write('PUT /shares//home/used HTTP/1.1\r\n\r\n')
    const [chunk] = (await once(bare, 'data')) as [Buffer]
    expect(chunk.toString()).toMatch(/^HTTP\/1\.1 401 [^]*^WWW-Authenticate: Basic realm="QVD"\r$/m)
    expect(await room.askGuest(call, KEY.replace('A', 'B'))).toMatchObject({ status: 403 })
    expect(await room.askGuest({ method: 'PUT', path: '/shares//home/used' })).toMatchObject({ status: 400 })
    mkdirSync(inGuest('used'), { recursive: true })
    writeFileSync(inGuest('used', 'mine'), '')
    expect(await room.askGuest(call)).toMatchObject({ status: 409 })
    expect(readdirSync(inGuest('used'))).toEqual(['mine'])
    rmSync(inGuest(), { recursive: true })
    // The name of another share is in use, too; and free at once when that goes.
    const path = clientFolder('used')
    const { stream } = await putShare(path)
    serveShare(path, stream, Buffer.alloc(0))
    await untilMounted('used')
    expect(await room.askGuest(call)).toMatchObject({ status: 409 })
    stream.destroy()
    await until('the name to be free', async () => {
      const again = await putShare(path)
      again.stream.destroy()
      return again.head.startsWith('HTTP/1.1 101 ')
    })
    await untilMounted('used', false)
  })

  test.each([
    ['C:\\', 'C'],
    ['D:\\Users\\Ann\\', 'Ann'],
    ['/', 'shares'],
    ['/media/disk//', 'disk'],
  ])('C-88: %s mounts as %s', async (path, name) => {
    const { head, stream } = await putShare(path)
    expect(head).toMatch(new RegExp(`^X-QVD-Share-Ticket: ${name}\\r$`, 'm'))
    const folder = clientFolder(`as-${name}`)
    serveShare(folder, stream, Buffer.alloc(0))
    await untilMounted(name)
    expect(await readdir(inGuest(name))).toEqual(['hello.txt'])
    stream.destroy()
    await untilMounted(name, false)
  })

  test('C-89: a path with blanks and UTF-8 goes as it is', async () => {
    const path = clientFolder('Ann’s brief é 日本', 'naïve file.txt')
    const share = { path, name: basename(path), readOnly: false }
    const end = new AbortController()
    const { opened, ended } = await serveFolderOnChannel(share, room.client.guest, end.signal)
    const ticket = opened.name
    expect(ticket).toBe('Ann’s brief é 日本')
    await untilMounted(ticket)
    expect(await readdir(inGuest(ticket))).toEqual(['naïve file.txt'])
    // C-90: all that is there when the client goes is gone.
    room.news.set({ state: 'suspending', session: 1 })
    await untilMounted(ticket, false)
    expect(await ended).toMatchObject({ code: 'folder.lost' })
    room.news.set({ state: 'connected', session: 1 })
  })

  test('what policy says reaches the mount, and folders that are off are refused', async () => {
    const path = clientFolder('read')
    room.parameters.set('qvd.ostler.policy.folders', 'ro')
    const { stream } = await putShare(path)
    serveShare(path, stream, Buffer.alloc(0))
    await untilMounted('read')
    await expect(writeFile(inGuest('read', 'new'), '')).rejects.toThrow(/EROFS/)
    stream.destroy()
    await untilMounted('read', false)
    room.parameters.set('qvd.ostler.policy.folders', 'off')
    expect(await room.askGuest({ method: 'PUT', path: '/shares//x', headers: SFTP })).toMatchObject({
      status: 403,
    })
  })

  test('only folders below the roots that policy names are mounted, however the path is written', async () => {
    const path = clientFolder('allowed/inner')
    room.parameters.set('qvd.ostler.policy.folders.roots', `/media,${room.clientHome}/allowed`)
    for (const other of [
      ...['/etc', '/', '/mediaeval', '/media/../etc', `${room.clientHome}/allowed/../secret`, 'media', '..'],
      ...['C:\\', `x${path}`, '/media/./../x', `${room.clientHome}/allowed-not`, `/.${path}/../../../etc`],
    ]) {
      // A stream that meets the end of an earlier one is tried again by this alone.
      const call = { method: 'PUT', path: `/shares/${other}`, headers: SFTP } as const
      await expect(room.client.guest.open(call)).rejects.toMatchObject({ detail: { status: 403 } })
    }
    const { stream } = await putShare(path)
    serveShare(path, stream, Buffer.alloc(0))
    await untilMounted('inner')
    stream.destroy()
    await untilMounted('inner', false)
  })

  test('empty mount points that QVD has left in a home give way', async () => {
    for (const name of ['u', 'media']) mkdirSync(inGuest(name), { recursive: true })
    const path = clientFolder('u')
    const { stream } = await putShare(path)
    serveShare(path, stream, Buffer.alloc(0))
    await untilMounted('u')
    expect(await readdir(inGuest())).toEqual(['u'])
    stream.destroy()
    await untilMounted('u', false)
  })

  test('a document of a share is opened in the desktop, and nothing outside of shares', async () => {
    const shared = clientFolder('docs', 'a letter.txt')
    const { stream } = await putShare(shared)
    serveShare(shared, stream, Buffer.alloc(0))
    await untilMounted('docs')
    const open = async (name: string, ticket: string): Promise<number> => {
      const headers = { 'X-QVD-Share-Ticket': ticket }
      return (await room.askGuest({ method: 'POST', path: `/open/${name}`, headers })).status
    }
    expect(await open('a letter.txt', 'docs')).toBe(200)
    await until('it to be opened', () => room.opened().includes(inGuest('docs', 'a letter.txt')))
    expect(await open('missing.txt', 'docs')).toBe(404)
    expect(await open('hello.txt', '..')).toBe(400)
    expect(await open('..', 'docs')).toBe(400)
    expect(await open('a', '../../etc')).toBe(400)
    expect(await open('shares/passwd', 'docs')).toBe(404)
    stream.destroy()
    await untilMounted('docs', false)
  })
})

describe('folders of the guest', () => {
  test('GET /shares serves one by SFTP, for who has the key', async () => {
    const path = join(room.guestHome, 'work 100%')
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, 'plan.txt'), 'the plan')
    const call = { method: 'GET', path: `/shares/${path}`, headers: SFTP } as const
    const { stream, reply } = await room.client.guest.open(call)
    const point = join(room.clientHome, 'mounted/work')
    await using _mount = sshfsMount(point, stream, reply.head)
    await until('it to be mounted', () => isMounted(point))
    expect(await readFile(join(point, 'plan.txt'), 'utf8')).toBe('the plan')
    stream.destroy()
    await until('it to be gone', () => !isMounted(point))
  })

  test('a path from the home, one that is missing, and one that is no folder', async () => {
    mkdirSync(join(room.guestHome, 'below'), { recursive: true })
    writeFileSync(join(room.guestHome, 'file'), '')
    const get = async (path: string): Promise<number> =>
      (await room.askGuest({ method: 'GET', path: `/shares/${path}`, headers: SFTP })).status
    expect(await get('below')).toBe(101)
    expect(await get('/nowhere')).toBe(404)
    expect(await get('file')).toBe(404)
    // The original serves everybody here.
    expect((await room.askGuest({ method: 'GET', path: '/shares/below', headers: SFTP }, 'x')).status).toBe(
      403,
    )
    room.parameters.set('qvd.ostler.policy.folders', 'ro')
    expect(await get('below')).toBe(403)
  })
})

test('calls and streams in quick succession all come through', async () => {
  for (let number = 0; number < 30; number++) {
    expect(await room.askGuest({ method: 'GET', path: '/ping' })).toMatchObject({ status: 200 })
    expect(await room.askClient({ method: 'GET', path: '/ping' })).toMatchObject({ status: 200 })
  }
  for (let number = 0; number < 30; number++) {
    const { stream } = await room.client.guest.open({ method: 'POST', path: `/tcp/connect/${room.echo}` })
    stream.destroy()
  }
})

test('C-91: POST /usbip gives 101 to who has the key, and its helper gets "<devid> <speed>"', async () => {
  const call = { method: 'POST', path: '/usbip' } as const
  expect(await room.askGuest(call)).toMatchObject({ status: 400 })
  expect(await room.askGuest(call, 'x')).toMatchObject({ status: 403 })
  const upgrade = { Connection: 'Upgrade', Upgrade: 'qvd:usbip/1.0' }
  const { stream } = await room.client.guest.open({ ...call, headers: upgrade })
  stream.write('65538 3\n')
  expect((await answerOf(stream)).toString()).toBe('got 65538 3\n')
  expect(room.opened()).toContain('read 65538 3')
})

describe('ports', () => {
  const directions = [
    ['the guest asks the client', () => room.askClient, () => room.toClient],
    ['the client asks the guest', () => room.askGuest, () => room.toGuest],
  ] as const

  test.each(directions)('C-92: ping, version and port check: %s', async (_, asker) => {
    const ask = async (path: string) => {
      const { status, text } = await asker()({ method: 'GET', path })
      return [status, text] as const
    }
    expect(await ask('/ping')).toEqual([200, 'Pong!'])
    expect((await ask('/version'))[1]).toMatch(/^\d+\.\d+$/)
    expect((await ask(`/tcp/portcheck/${room.echo}`))[0]).toBe(200)
    expect(await ask(`/tcp/portcheck/${room.closed}`)).toEqual([403, expect.stringContaining('ECONNREFUSED')])
    expect(await ask('/tcp/portcheck/22')).toEqual([403, expect.stringContaining('not in the list')])
    for (const none of ['0', '65536', 'http', '-1', '80a'])
      expect((await ask(`/tcp/portcheck/${none}`))[0]).toBe(400)
  })

  test('a rule of policy closes those of the desktop, also the listed ones', async () => {
    room.parameters.set('qvd.ostler.policy.ports', '0')
    const check = { method: 'GET', path: `/tcp/portcheck/${room.echo}` } as const
    expect(await room.askGuest(check)).toMatchObject({
      status: 403,
      text: expect.stringContaining('policy') as string,
    })
    const connect = { method: 'POST', path: `/tcp/connect/${room.echo}` } as const
    await expect(room.client.guest.open(connect)).rejects.toMatchObject({ detail: { status: 403 } })
  })

  test.each(directions)('without the key nothing: %s', async (_, asker, raw) => {
    for (const path of ['/ping', '/version', `/tcp/portcheck/${room.echo}`])
      expect(await asker()({ method: 'GET', path }, `${KEY}x`)).toMatchObject({ status: 403 })
    const bare = await raw()()
    bare.write(`POST /tcp/connect/${room.echo} HTTP/1.1\r\n\r\n`)
    const [chunk] = (await once(bare, 'data')) as [Buffer]
    expect(chunk.toString()).toMatch(/^HTTP\/1\.1 401 /)
  })

  test.each(directions)('a port is carried, with its half-closed end: %s', async (_, __, raw) => {
    const stream = await raw()()
    const bytes = randomBytes(300_000)
    stream.write(`POST /tcp/connect/${room.echo} HTTP/1.1\r\nAuthorization: Basic ${KEY}\r\n\r\n`)
    const [head] = (await once(stream, 'data')) as [Buffer]
    expect(head.toString('latin1')).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n\r\n$/)
    const back: Buffer[] = []
    stream.on('data', (chunk: Buffer) => back.push(chunk))
    stream.write(bytes)
    await until('all to come back', () => Buffer.concat(back).length >= bytes.length)
    expect(Buffer.concat(back).equals(bytes)).toBe(true)
    stream.end()
    await once(stream, 'close')
  })
})

async function answerOf(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk)).resume()
  await once(stream, 'end')
  return Buffer.concat(chunks)
}
