import { Scope } from '@ostler/kit/scope.ts'
import type { SlaveRequest, SlaveRoute } from '@ostler/contract/slave-server.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type ChannelClient, connectWithChannels } from '../fixtures/channel-client.ts'
import { type Guest, startGuest } from '../fixtures/guest.ts'
import { type Printer, type PrintServer, startPrintServer } from '../fixtures/print-server.ts'
import { until } from '../fixtures/world.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'

/** Printers over the slave channel (C-93): a real CUPS at both ends, nxagent and nxproxy between them. */

const OURS = { printers: 'all', printOverSlave: true, sound: false, microphone: false } as const
const NONE = { printers: [], sound: false, microphone: false } as const

/** What was opened, also when the rest could not be. */
const scope = new Scope()
let screen: XScreen
let guest: Guest
let server: PrintServer
let paper: Printer
let laser: Printer
let client: ChannelClient | undefined
const display = process.env['DISPLAY']

beforeAll(async () => {
  screen = scope.own(await openScreen())
  process.env['DISPLAY'] = screen.display
  server = scope.own(await startPrintServer())
  paper = await server.addPrinter('paper')
  laser = await server.addPrinter('laser-1', [
    '-m',
    'drv:///sample.drv/generic.ppd',
    '-D',
    'The laser',
    '-o',
    'Option1=True',
  ])
  await server.ask('lpadmin', '-d', 'laser-1')
  guest = scope.own(
    await startGuest({
      config: ['vma.printing.enable = 1', 'vma.slave.enable = 1', 'internal.vma.use.systemctl = 0'],
    }),
  )
})
afterEach(async () => {
  await client?.leave()
  client = undefined
  await untilQueues()
})
afterAll(async () => {
  await scope.close()
  if (display === undefined) delete process.env['DISPLAY']
  else process.env['DISPLAY'] = display
})

const untilQueues = async (...wanted: string[]): Promise<void> => {
  let last: readonly string[] = []
  await until(`the queues ${wanted.join(' ')}`, async () => {
    const said = await guest.inside('lpstat', '-e').catch(() => '')
    last = said.split('\n').filter(Boolean).sort()
    return last.join() === wanted.join()
  }).catch((error: unknown) => {
    throw new Error(`there are: ${last.join()}\n${guest.read('/var/log/ostler/qvd.log')}`, { cause: error })
  })
}
const asAnn = (...argv: string[]): Promise<string> =>
  guest.inside('setpriv', '--reuid=ann', '--regid=ann', '--init-groups', 'env', 'HOME=/home/ann', ...argv)
const write = async (path: string, text: string): Promise<void> =>
  void (await guest.inside('sh', '-c', `cat >"$0" <<'END'\n${text}\nEND`, path))

test('C-93: a page goes from the desktop to the printer of a client that has them on the slave channel', async () => {
  client = await connectWithChannels(guest, OURS, { CUPS_SERVER: server.socket })
  await untilQueues('QVD-laser_1', 'QVD-paper')
  expect(await asAnn('lpstat', '-d')).toBe('system default destination: QVD-laser_1\n')
  expect(await asAnn('lpstat', '-v')).toMatch(
    /^device for QVD-paper: ipp:\/\/127\.0\.0\.1:\d+\/printers\/paper$/m,
  )
  const described = await asAnn('lpstat', '-l', '-p', 'QVD-laser_1')
  expect(described).toMatch(/Description: The laser\n/)
  expect(described).toMatch(/Users allowed:\n\s+ann\n/)
  expect(await asAnn('lpoptions', '-p', 'QVD-laser_1', '-l')).toMatch(/^Duplex\//m)

  // What a program has made ready itself goes through byte by byte.
  await write('/home/ann/page.ps', `%!PS\n% ${'to be or not to be '.repeat(4_500)}\nshowpage`)
  await asAnn('lp', '-d', 'QVD-paper', '-o', 'raw', '/home/ann/page.ps')
  await until('the page', () => paper.received.length > 0)
  expect(paper.received[0]?.toString('latin1')).toBe(guest.read('/home/ann/page.ps'))

  await asAnn('lp', '-o', 'sides=two-sided-long-edge', '/etc/services')
  await until('the document', () => laser.received.length > 0)
  expect(laser.received[0]?.subarray(0, 4).toString('latin1')).toBe('%!PS')
})

test('what is no PostScript is refused, and the printer goes on', async () => {
  client = await connectWithChannels(guest, OURS, { CUPS_SERVER: server.socket })
  await untilQueues('QVD-laser_1', 'QVD-paper')
  const before = paper.received.length
  await asAnn('lp', '-d', 'QVD-paper', '-o', 'raw', '/etc/services')
  await until(
    'the job to be given up',
    async () => (await asAnn('lpstat', '-W', 'not-completed', '-o')) === '',
  )
  await write('/home/ann/next.ps', '%!PS\nshowpage')
  await asAnn('lp', '-d', 'QVD-paper', '-o', 'raw', '/home/ann/next.ps')
  await until('the next page', () => paper.received.length > before)
  expect(paper.received.slice(before).map(String)).toEqual(['%!PS\nshowpage\n'])
})

/** Answers as QVD's client for Windows does (compatibility page 5.3), which cannot run here. */
function windowsClient(print: (request: SlaveRequest) => Promise<number>): SlaveRoute[] {
  const printers = [
    { qvd_id: '__srv_HP_LaserJet', name: '\\\\srv\\HP LaserJet', default: 1, duplex: 1, color: null },
    { qvd_id: 'PDF', name: 'PDF' },
  ]
  return [
    { route: 'GET /printer', answer: () => ({ status: 200, text: JSON.stringify({ Printers: printers }) }) },
    {
      route: 'POST /printer/**',
      maxBody: 1_000_000,
      answer: async (request) => ({ status: await print(request), text: request.rest.split('/')[0] ?? '' }),
    },
  ]
}

test("C-93: a client of QVD's gets each job once, however long it prints, and a failure is not tried for ever", async () => {
  const got: { rest: string; body: Buffer }[] = []
  const routes = windowsClient(async ({ rest, body, progress }) => {
    got.push({ rest, body })
    await progress('converting')
    await sleep(500)
    await progress('printing')
    return rest.startsWith('PDF') ? 500 : 200
  })
  const parameters = {
    'qvd.client.os': 'windows',
    'qvd.client.printing.enabled': '1',
    'qvd.client.printing.flavor': 'slave4',
  }
  client = await connectWithChannels(guest, NONE, {}, parameters, routes)
  await untilQueues('QVD-PDF', 'QVD-__srv_HP_LaserJet')
  expect(await asAnn('lpstat', '-d')).toBe('system default destination: QVD-__srv_HP_LaserJet\n')
  expect(await asAnn('lpstat', '-l', '-p', 'QVD-__srv_HP_LaserJet')).toContain(
    'Description: \\\\srv\\HP LaserJet\n',
  )
  await write('/home/ann/win.ps', '%!PS\n% win\nshowpage')
  for (const queue of ['QVD-__srv_HP_LaserJet', 'QVD-PDF'])
    await asAnn('lp', '-d', queue, '-o', 'raw', '/home/ann/win.ps')
  await until('both to be done', async () => (await asAnn('lpstat', '-W', 'not-completed', '-o')) === '')
  expect(got.map(({ rest }) => rest).sort()).toEqual(['PDF/printjob', '__srv_HP_LaserJet/printjob'])
  for (const { body } of got) expect(String(body)).toBe('%!PS\n% win\nshowpage\n')
})

test('nobody but the print system of the desktop may print at the door of the jobs', async () => {
  client = await connectWithChannels(guest, OURS, { CUPS_SERVER: server.socket })
  await untilQueues('QVD-laser_1', 'QVD-paper')
  const port = /127\.0\.0\.1:(\d+)\/printers\/paper/.exec(await asAnn('lpstat', '-v'))?.[1] ?? ''
  const ask = `exec 3<>/dev/tcp/127.0.0.1/${port}; printf 'POST /printers/paper HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n' >&3; head -c 12 <&3`
  expect(await asAnn('bash', '-c', ask).catch(() => '')).toBe('')
  expect(await guest.inside('bash', '-c', ask)).toBe('HTTP/1.1 400')
})
