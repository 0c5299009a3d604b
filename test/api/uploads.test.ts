import { type Upload, UPLOAD_PIECE } from '@ostler/contract/uploads.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { Gate } from '@ostler/kit/gate.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { ImageBringer } from '@ostler/proxy/hkd/image-bringer.ts'
import { registerHost, setHostState } from '@ostler/proxy/store/hosts.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { type ApiClient, apiClient } from '@ostler/qa/api-client.ts'
import { uploadFile } from '@ostler/qa/upload.ts'
import { createHash, randomBytes } from 'node:crypto'
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { request } from 'node:http'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { addTestFlavour } from '../fixtures/database-rows.ts'
import { openQaRoom, type QaRoom } from '../fixtures/qa-room.ts'
import { openStorageRoom, type StorageRoom } from '../fixtures/storage-room.ts'
import { until } from '../fixtures/world.ts'

/** Images that `qa di add` sends, over a real api and real files, to the hkd that brings them. */
let room: QaRoom
let storage: StorageRoom
let uploads: string
let hkd: Db
let hostId: number
let osf: string

beforeAll(async () => {
  storage = await openStorageRoom()
  uploads = join(storage.root, 'uploads')
  mkdirSync(uploads)
  room = await openQaRoom(() => ({ uploads, staging: storage.folders.staging }))
  hkd = room.database.as('hkd')
  hostId = await registerHost(hkd, 'node', 1_000, 2)
  await setHostState(hkd, hostId, 'running')
})
afterAll(async () => {
  await room[Symbol.asyncDispose]()
  await storage[Symbol.asyncDispose]()
})
beforeEach(async () => {
  for (const name of readdirSync(uploads)) rmSync(join(uploads, name))
  const id = await addTestFlavour(hkd)
  const row = await hkd.selectFrom('flavour').select('name').where('id', '=', id).executeTakeFirstOrThrow()
  osf = row.name
})

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
/** As a person at a prompt would write it. */
const here = (path: string): string => relative(process.cwd(), path)

/** A file of this machine. */
function file(bytes: Buffer, name = 'office.tar'): { path: string; staged: string } {
  const path = join(room.folder, name)
  writeFileSync(path, bytes)
  return { path, staged: `${sha256(bytes).slice(0, 16)}-${name}` }
}

async function ask(method: string, path: string, body: unknown): Promise<{ status: number; said: unknown }> {
  const bytes = body instanceof Buffer ? body : Buffer.from(JSON.stringify(body))
  return await new Promise((resolve, reject) => {
    const outgoing = request(
      {
        socketPath: join(room.folder, 'api.sock'),
        method,
        path,
        headers: { 'Content-Length': bytes.length },
      },
      (response) => {
        response
          .toArray()
          .then((chunks) => JSON.parse(Buffer.concat(chunks as Buffer[]).toString()) as unknown)
          .then((said) => resolve({ status: response.statusCode ?? 0, said }), reject)
      },
    )
    outgoing.once('error', reject)
    outgoing.end(bytes)
  })
}

test('a file of this machine is sent, added with its hash, and gone from there when its image is ready', async () => {
  const archive = readFileSync(await storage.pack('source.tar', ['sbin/init']))
  const { path, staged } = file(archive)
  const lines: (string | undefined)[] = []
  const { failed } = await room.qa(['di', 'add', `osf=${osf}`, `path=${here(path)}`], {
    progress: (line: string | undefined) => void lines.push(line),
  })
  expect(failed).toBeUndefined()
  expect(readdirSync(uploads)).toEqual([staged])
  expect(lines.at(-1)).toBeUndefined()
  expect(lines.findLast((line) => line !== undefined)).toMatch(
    /^office\.tar is sent {2}\[#{30}\] {2}100 % {2}0\.0 of 0\.0 MB/,
  )
  const row = await hkd
    .selectFrom('disk_image')
    .selectAll()
    .where('path', '=', staged)
    .executeTakeFirstOrThrow()
  expect(row).toMatchObject({ kind: 'tarball', sha256: sha256(archive) })
  await using images = new ImageBringer({
    ...{ db: hkd, hostId, folders: { ...storage.folders, uploads }, reserveBytes: 0, gate: new Gate(1, 100) },
    ...{ onReady: () => undefined, log: silentLog },
  })
  await until('the image to be ready', async () => {
    images.look()
    const copy = await hkd
      .selectFrom('image_copy')
      .select('state')
      .where('disk_image_id', '=', row.id)
      .executeTakeFirst()
    return copy?.state === 'ready'
  })
  await until('the upload to be gone', () => readdirSync(uploads).length === 0)
  expect(sha256(readFileSync(join(storage.folders.images, `${row.id}-${staged}`)))).toBe(sha256(archive))
})

test('what was cut off goes on where it stopped, and is the same in the end', async () => {
  const bytes = randomBytes(2 * UPLOAD_PIECE + 1_000)
  const { path, staged } = file(bytes, 'big.tar')
  const begun = { name: 'big.tar', size: bytes.length, sha256: sha256(bytes) }
  expect(await ask('POST', '/v1/uploads', begun)).toMatchObject({
    status: 201,
    said: { file: staged, done: 0 },
  })
  const first = bytes.subarray(0, 70_001)
  expect((await ask('PATCH', `/v1/uploads/${staged}?offset=0`, first)).said).toMatchObject({ done: 70_001 })
  // Would it be sent again, it would be as it was.
  const part = join(uploads, `.${bytes.length}-${staged}`)
  const other = Buffer.concat([Buffer.from([(bytes[0] ?? 0) ^ 1]), first.subarray(1)])
  writeFileSync(part, other)
  const { failed } = await room.qa(['di', 'add', `osf=${osf}`, `path=${here(path)}`])
  expect(failed).toBeUndefined()
  const arrived = readFileSync(join(uploads, staged))
  expect(arrived.equals(Buffer.concat([other, bytes.subarray(other.length)]))).toBe(true)
  // Once more, as after an answer that was lost: nothing is left to be sent.
  expect((await ask('POST', '/v1/uploads', begun)).said).toEqual({
    file: staged,
    size: bytes.length,
    done: bytes.length,
  })
})

test('an answer that is lost on the way, and an api that is away for a moment, only take time', async () => {
  const bytes = randomBytes(UPLOAD_PIECE + 1_000)
  const { path, staged } = file(bytes)
  const api = apiClient(join(room.folder, 'api.sock'))
  const away = new Fault('client.unreachable', { host: 'node', port: 'api', reason: 'as the test said' })
  const losses = ['patch', 'patch', 'post']
  const lossy =
    (method: 'post' | 'patch'): ApiClient['patch'] =>
    async (to, body) => {
      const answer = await api[method](to, body)
      if (losses[0] === method && losses.shift() !== undefined) throw away
      return answer
    }
  await api.post('/v1/uploads', { name: 'office.tar', size: bytes.length, sha256: sha256(bytes) })
  const sent = uploadFile(path, undefined, { ...api, post: lossy('post'), patch: lossy('patch') }, {})
  expect(await sent).toEqual({ file: staged, sha256: sha256(bytes) })
  expect(losses).toEqual([])
  expect(readFileSync(join(uploads, staged)).equals(bytes)).toBe(true)
})

test('a whole file whose last answer never came has its name at the next try', async () => {
  const bytes = randomBytes(5_000)
  const { staged } = file(bytes)
  writeFileSync(join(uploads, `.5000-${staged}`), bytes)
  await ask('POST', '/v1/uploads', { name: 'office.tar', size: 5_000, sha256: sha256(bytes) })
  expect(readdirSync(uploads)).toEqual([staged])
})

test('a piece goes where it says: one that comes twice does no harm, one that leaves a gap is refused', async () => {
  const bytes = randomBytes(3_000)
  const { staged } = file(bytes)
  await ask('POST', '/v1/uploads', { name: 'office.tar', size: 3_000, sha256: sha256(bytes) })
  const send = (offset: number, to: number) =>
    ask('PATCH', `/v1/uploads/${staged}?offset=${offset}`, bytes.subarray(offset, to))
  expect(await send(1_000, 2_000)).toMatchObject({
    status: 409,
    said: { fault: 'upload.gap', detail: { done: 0 } },
  })
  for (const _ of [1, 2]) expect((await send(0, 1_000)).said).toMatchObject({ done: 1_000 })
  const both = await Promise.all([send(1_000, 3_000), send(500, 1_500)])
  expect(both.every(({ status }) => status === 200)).toBe(true)
  expect(readFileSync(join(uploads, staged)).equals(bytes)).toBe(true)
  expect(await ask('PATCH', `/v1/uploads/${staged}?offset=0`, Buffer.alloc(UPLOAD_PIECE + 1))).toMatchObject({
    status: 400,
    said: { fault: 'request.invalid' },
  })
})

test.each(['..%2Fstaging', '.3000-x', 'nothing', '%2Fetc%2Fpasswd'])(
  'there is no upload %s',
  async (name) => {
    for (const [method, body] of [['PATCH', Buffer.from('x')] as const, ['DELETE', {}] as const])
      expect(
        (await ask(method, `/v1/uploads/${name}?${method === 'PATCH' ? 'offset=0' : ''}`, body)).status,
      ).toBe(404)
  },
)

test('a file that is not what its words say is not sent', async () => {
  const { path } = file(randomBytes(100))
  const other = '0'.repeat(64)
  const refused = async (words: string[]) => (await room.qa(['di', 'add', `osf=${osf}`, ...words])).failed
  expect(await refused([`path=${here(path)}`, `sha256=${other}`])).toMatchObject({ code: 'upload.source' })
  expect(await refused([`path=${here(room.folder)}/none.tar`])).toMatchObject({ code: 'upload.source' })
  expect(await refused([`path=${here(room.folder)}`])).toMatchObject({ code: 'upload.source' })
  expect(readdirSync(uploads)).toEqual([])
})

test('a name alone is the staging folder’s, and nothing is sent', async () => {
  const { failed } = await room.qa(['di', 'add', `osf=${osf}`, 'path=elsewhere.tar'])
  expect(failed).toBeUndefined()
  expect(readdirSync(uploads)).toEqual([])
})

test('hkd follows no link that lies where files are sent to', async () => {
  const archive = await storage.pack('secret.tar', ['sbin/init'])
  const name = `${'0'.repeat(16)}-secret.tar`
  symlinkSync(archive, join(uploads, name))
  const { failed } = await room.qa(['di', 'add', `osf=${osf}`, `path=${name}`])
  expect(failed).toBeUndefined()
  await using images = new ImageBringer({
    ...{ db: hkd, hostId, folders: { ...storage.folders, uploads }, reserveBytes: 0, gate: new Gate(1, 100) },
    ...{ onReady: () => undefined, log: silentLog },
  })
  await until('the image to be refused', async () => {
    images.look()
    const { lines } = await room.qa(['di', 'list', '--json'])
    return (JSON.parse(lines.join('\n')) as { path: string; state: string }[]).some(
      (row) => row.path === name && row.state.startsWith('node: broken (the disk image'),
    )
  })
})

test('what was given up, or forgotten for a week, is gone; what an image waits for is not', async () => {
  const bytes = randomBytes(200)
  const { staged, path } = file(bytes, 'waits.tar')
  await room.qa(['di', 'add', `osf=${osf}`, `path=${here(path)}`])
  const old = new Date(Date.now() - 8 * 86_400_000)
  const left = [`.900-${'1'.repeat(16)}-part.tar`, `${'2'.repeat(16)}-whole.tar`]
  for (const name of left) copyFileSync(path, join(uploads, name))
  for (const name of [...left, staged]) utimesSync(join(uploads, name), old, old)
  const begun = { name: 'new.tar', size: 10, sha256: '3'.repeat(64) }
  const { said } = await ask('POST', '/v1/uploads', begun)
  expect(readdirSync(uploads).toSorted()).toEqual([`.10-${(said as Upload).file}`, staged].toSorted())
  expect((await ask('DELETE', `/v1/uploads/${(said as Upload).file}`, {})).status).toBe(200)
  expect(readdirSync(uploads)).toEqual([staged])
})

test('without its folder an api says what is missing', async () => {
  await using bare = await openQaRoom((folder) => ({ uploads: join(folder, 'nowhere') }))
  const { path } = file(randomBytes(10))
  const { failed } = await bare.qa(['di', 'add', 'osf=x', `path=${here(path)}`])
  expect(failed).toMatchObject({ code: 'upload.unavailable' })
})
