import { cupsPlace } from '@ostler/client/printing/cups-server.ts'
import { printerIds, printRoutes } from '@ostler/client/printing/print-routes.ts'
import { callSlave, type SlaveCall, type SlaveReply } from '@ostler/contract/slave-call.ts'
import { serveSlave } from '@ostler/contract/slave-server.ts'
import { MAX_PRINT_JOB } from '@ostler/contract/slave.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { duplexPair } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Printer, type PrintServer, startPrintServer } from '../fixtures/print-server.ts'
import { until } from '../fixtures/world.ts'

/** The client's half of C-93, before a real CUPS: what a desktop may say on the slave channel, and what comes of it. */

const KEY = 'Pr1'.repeat(21) + 'z'
const PAGE = '%!PS\n% naïve\nshowpage\n'

let server: PrintServer
let paper: Printer
let secret: Printer
beforeAll(async () => {
  server = await startPrintServer()
  paper = await server.addPrinter('paper-1')
  secret = await server.addPrinter('secret')
  await server.addPrinter('laser', [
    '-m',
    'drv:///sample.drv/generic.ppd',
    '-D',
    'The laser',
    '-o',
    'Option1=True',
  ])
  await server.ask('lpadmin', '-d', 'laser')
})
afterAll(async () => await server[Symbol.asyncDispose]())

let routes: ReturnType<typeof printRoutes> = []
beforeAll(() => {
  routes = printRoutes({
    cups: cupsPlace({ CUPS_SERVER: server.socket }),
    printers: new Set(['paper-1', 'laser']),
    user: 'ann',
  })
})

/** A connection of the desktop's. */
function connection(): ReturnType<typeof duplexPair>[0] {
  const [here, there] = duplexPair()
  void serveSlave(there, { key: () => new Secret(KEY), routes, onTrouble: () => {} })
  return here
}
const ask = (call: SlaveCall, key = KEY): Promise<SlaveReply> =>
  callSlave(connection(), new Secret(key), call)
const print = (id: string, body: string | Uint8Array, key?: string): Promise<SlaveReply> =>
  ask({ method: 'POST', path: `/printer/${id}/printjob`, body: Buffer.from(body) }, key)
/** The whole answer to these bytes. */
async function raw(bytes: string): Promise<string> {
  const stream = connection()
  stream.write(Buffer.from(bytes))
  return await text(stream)
}

describe('C-93', () => {
  test('GET /printer tells the printers that are offered, and no others', async () => {
    const { status, text: list } = await ask({ method: 'GET', path: '/printer' })
    expect(status).toBe(200)
    expect(JSON.parse(list)).toEqual({
      Printers: [
        { qvd_id: 'paper_1', name: 'paper-1' },
        { qvd_id: 'laser', name: 'The laser', default: 1, duplex: 1, color: 1 },
      ],
    })
  })

  test('a job is answered 102, then 200, and comes to the printer byte by byte', async () => {
    const body = Buffer.from(PAGE)
    const head = `POST /printer/paper_1/printjob HTTP/1.1\r\nAuthorization: Basic ${KEY}\r\nConnection: close`
    const answer = await raw(`${head}\r\nContent-Length: ${body.length}\r\n\r\n${PAGE}`)
    expect(answer).toMatch(
      /^HTTP\/1\.1 102 Processing\r\nX-QVD-SlaveServer-Info: printing\r\n\r\nHTTP\/1\.1 200 OK\r\n[^]*\r\n\r\npaper-1\n$/,
    )
    await until('the page', () => paper.received.length > 0)
    expect(paper.received[0]).toEqual(body)
    expect(await server.ask('lpstat', '-W', 'completed', '-o', 'paper-1')).toMatch(/^paper-1-\d+ +ann /)
  })

  test('a PDF is printed too', async () => {
    const [before, document] = [paper.received.length, '%PDF-1.4\n%%EOF\n']
    expect((await print('paper_1', document)).status).toBe(200)
    await until('the document', () => paper.received.length > before)
    expect(String(paper.received.at(-1))).toBe(document)
  })
})

describe('refused', () => {
  test.each([
    ['a printer that is not offered', 'secret', 404],
    ['the name instead of the id', 'paper-1', 404],
    ['a way out', '../admin', 404],
    ['a line break', 'paper_1\r\nX: y', 400],
    ['nothing', '', 404],
  ])('%s', async (_, id, status) => {
    const refused = await print(id, PAGE).catch((error: unknown) => error)
    expect(refused).toMatchObject({ status })
    expect(secret.received).toEqual([])
  })

  test.each([
    ['a text', 'hello'],
    ['nothing at all', ''],
    ["commands of a printer's", '\x1b%-12345X@PJL\n'],
    ['a picture', Buffer.from([0x89, 0x50, 0x4e, 0x47])],
  ])('%s', async (_, document) => {
    const before = paper.received.length
    expect((await print('paper_1', document)).status).toBe(403)
    expect(paper.received.length).toBe(before)
  })

  test('without the key, or with another one, nothing is told or printed', async () => {
    expect(await raw('GET /printer HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1\.1 401 /)
    for (const key of [KEY.replace('P', 'Q'), `${KEY}x`, KEY.slice(1)]) {
      expect((await ask({ method: 'GET', path: '/printer' }, key)).status).toBe(403)
      expect((await print('paper_1', PAGE, key)).status).toBe(403)
    }
  })

  test('a job that is too large, before a byte of it is taken in', async () => {
    const head = `POST /printer/paper_1/printjob HTTP/1.1\r\nAuthorization: Basic ${KEY}\r\nContent-Length: `
    expect(await raw(`${head}${MAX_PRINT_JOB + 1}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 413 /)
  })

  test('a third job while two are being taken in, and not the next one after', async () => {
    const head = `POST /printer/paper_1/printjob HTTP/1.1\r\nAuthorization: Basic ${KEY}\r\nContent-Length: 10\r\n\r\n`
    const slow = [connection(), connection()]
    for (const stream of slow) stream.write(head)
    await until('both to have a place', async () => (await print('paper_1', PAGE)).status === 503)
    for (const stream of slow) stream.destroy()
    await until('a place to be free', async () => (await print('paper_1', PAGE)).status === 200)
  })

  test('what CUPS does not take is a 500 that says so', async () => {
    await server.ask('cupsreject', 'laser')
    const { status, text: said } = await print('laser', PAGE)
    expect(status).toBe(500)
    expect(said).toMatch(/^the print server has not taken it: status 506/)
    await server.ask('cupsaccept', 'laser')
  })
})

test('ids are letters, digits and _, and no two are the same', () => {
  const ids = printerIds(['a-b', 'a b', 'A_B', 'größe', 'x'.repeat(300)])
  expect([...ids.keys()]).toEqual(['a_b', 'a_b_2', 'A_B_3', 'gr__e', 'x'.repeat(100)])
})
