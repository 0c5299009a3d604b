import { selfSigned } from '@ostler/kit/certificate.ts'
import { findAccount } from '@ostler/kit/passwd.ts'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadNodeConfig } from '../../proxy/src/wiring/node-config.ts'
import { givenSslFile } from '../../proxy/src/wiring/node-parts.ts'
import { PATIENCE_MS, SeatRoom } from '../fixtures/seat-room.ts'
import { until } from '../fixtures/world.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-ssl-'))
let seats: SeatRoom
let hkd: AsyncDisposable
let given: string

beforeAll(async () => {
  seats = await SeatRoom.open()
  hkd = seats.room.giveSsl()
  given = givenSslFile(loadNodeConfig(seats.room.node.config).values)
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await hkd[Symbol.asyncDispose]()
  await seats[Symbol.asyncDispose]()
})

/** Files as an administrator has them. */
async function makePair(name: string) {
  const made = await selfSigned([name, '127.0.0.1'], 90)
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)]
  writeFileSync(key, made.key, { mode: 0o600 })
  writeFileSync(cert, made.certificate)
  return { ...made, words: `key=${key} cert=${cert}`, fingerprint: fingerprintOf(made.certificate) }
}

function fingerprintOf(pem: string): string {
  return new X509Certificate(pem).fingerprint256
}

/** What a door shows to who comes now. */
function shownBy({ port }: { readonly port: number }): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256)
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

async function untilAllShow(fingerprint: string): Promise<void> {
  for (const door of seats.doors)
    await until('the door to show it', async () => (await shownBy(door)) === fingerprint, PATIENCE_MS)
}

test('C-119: `config ssl` reaches every door of the node, sessions live on, and its end leads back', async () => {
  const own = loadNodeConfig(seats.room.node.config).values
  const files = [own['path.l7r.ssl.key'], own['path.l7r.ssl.cert']]
  const before = files.map((file) => readFileSync(file, 'utf8'))
  const old = fingerprintOf(before[1] ?? '')
  expect(await shownBy(seats.doors[0])).toBe(old)
  expect(await seats.qa('config ssl')).toContain(
    `fingerprint: ${old}\nchain: 1\norigin: file ${files[1] ?? ''}`,
  )

  const [one, two] = [await seats.newDesktop(), await seats.newDesktop()]
  const viewers = [seats.view('nx', seats.doors[0], one), seats.view('browser', seats.doors[1], two)]
  for (const viewer of viewers) expect(await viewer.shown).toBeDefined()

  const house = await makePair('vdi.house.example')
  expect(await seats.qa(`config ssl ${house.words}`)).toBe(
    `SSL certificate and private key set.\nfingerprint ${house.fingerprint}`,
  )
  await untilAllShow(house.fingerprint)
  for (const viewer of viewers) await seats.untilAlive(viewer)
  const newcomer = seats.view('nx', seats.doors[1], await seats.newDesktop())
  expect(await newcomer.shown).toBeDefined()
  await newcomer.leave()

  expect(statSync(given)).toMatchObject({ uid: findAccount('ostler')?.uid })
  expect(statSync(given).mode & 0o777).toBe(0o400)
  expect(statSync(dirname(given))).toMatchObject({ uid: 0 })
  expect(await seats.qa('config ssl')).toMatch(
    /^subject: CN=vdi\.house\.example\n.*names: DNS:vdi\.house\.example, IP.*\norigin: database, set at \d{4}-.*Z$/s,
  )

  expect(await seats.qa('config ssl del')).toBe(
    `SSL files deleted: doors go back to the files of their nodes, here ${files[1] ?? ''}.`,
  )
  await untilAllShow(old)
  for (const viewer of viewers) {
    await seats.untilAlive(viewer)
    await viewer.leave()
  }
  expect(files.map((file) => readFileSync(file, 'utf8'))).toEqual(before)
  expect(await seats.qa('config ssl del')).toBe('There are no SSL files in the database.')
})

test('a door that is started anew shows it to the first who comes, and no log holds the key', async () => {
  const [first, second] = [await makePair('first.example'), await makePair('second.example')]
  await seats.qa(`config ssl ${first.words}`)
  await untilAllShow(first.fingerprint)
  await seats.qa(`config ssl ${second.words}`)
  await untilAllShow(second.fingerprint)
  await seats.doors[0].crash()
  await seats.doors[0].reopen()
  expect(await shownBy(seats.doors[0])).toBe(second.fingerprint)
  for (const { key } of [first, second]) {
    const body = key.split('\n')[1] ?? ''
    expect(body.length).toBeGreaterThan(40)
    for (const name of ['l7r', 'l7r-2', 'api']) expect(seats.room.node.output(name)).not.toContain(body)
  }
  expect(seats.room.node.output('api')).toContain(second.fingerprint)
  await seats.qa('config ssl del')
})

test('a pair that is none changes nothing', async () => {
  const [first, second] = [await makePair('a.example'), await makePair('b.example')]
  await seats.qa(`config ssl ${first.words}`)
  await untilAllShow(first.fingerprint)
  const mixed = `key=${join(folder, 'b.example.key')} cert=${join(folder, 'a.example.pem')}`
  await expect(seats.qa(`config ssl ${mixed}`)).rejects.toThrow('key and cert do not belong together')
  expect(await seats.qa('config ssl')).toContain(`fingerprint: ${first.fingerprint}`)
  expect(second.fingerprint).not.toBe(first.fingerprint)
  await seats.qa('config ssl del')
})
