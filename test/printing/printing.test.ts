import { Scope } from '@ostler/kit/scope.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ChannelClient, connectWithChannels } from '../fixtures/channel-client.ts'
import { type Guest, startGuest } from '../fixtures/guest.ts'
import { type Printer, type PrintServer, startPrintServer } from '../fixtures/print-server.ts'
import { until } from '../fixtures/world.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'

const ALL = { printers: 'all', sound: false, microphone: false } as const
const DRIVER = [
  '-m',
  'drv:///sample.drv/generic.ppd',
  '-D',
  'The laser',
  '-L',
  'Second floor',
  '-o',
  'Option1=True',
]

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
  laser = await server.addPrinter('laser', DRIVER)
  await server.ask('lpadmin', '-d', 'laser')
  guest = scope.own(
    await startGuest({ config: ['vma.printing.enable = 1', 'internal.vma.use.systemctl = 0'] }),
  )
})
afterAll(async () => {
  await scope.close()
  if (display === undefined) delete process.env['DISPLAY']
  else process.env['DISPLAY'] = display
})

const come = async (wanted: Parameters<typeof connectWithChannels>[1] = ALL): Promise<void> => {
  client = await connectWithChannels(guest, wanted, { CUPS_SERVER: server.socket })
}
const queues = async (): Promise<string[]> => {
  const said = await guest.inside('lpstat', '-e').catch(() => '')
  return said.split('\n').filter(Boolean).sort()
}
const untilQueues = async (...wanted: string[]): Promise<void> => {
  let last: readonly string[] = []
  await until(`the queues ${wanted.join(' ')}`, async () => {
    last = await queues()
    return last.join() === wanted.join()
  }).catch((error: unknown) => {
    throw new Error(`there are: ${last.join()}\n${guest.read('/var/log/ostler/qvd.log')}`, { cause: error })
  })
}
const asAnn = (...argv: string[]): Promise<string> =>
  guest.inside('setpriv', '--reuid=ann', '--regid=ann', '--init-groups', 'env', 'HOME=/home/ann', ...argv)

test("the client's printers come with her, the default one too", async () => {
  await guest.inside('/etc/init.d/cups', 'start')
  await guest.inside('lpadmin', '-p', 'office', '-E', '-v', 'socket://127.0.0.1:9', '-m', 'raw')
  await guest.inside('lpadmin', '-d', 'office')
  await come()
  await untilQueues('QVD-laser', 'QVD-paper', 'office')
  expect(await asAnn('lpstat', '-d')).toBe('system default destination: QVD-laser\n')
  const described = await asAnn('lpstat', '-l', '-p', 'QVD-laser')
  expect(described).toMatch(/Description: The laser\n/)
  expect(described).toMatch(/Location: Second floor\n/)
  expect(described).toMatch(/Users allowed:\n\s+ann\n/)
})

test('a page arrives byte by byte', async () => {
  const page = `%!PS\n% ${'to be or not to be '.repeat(20_000)}\nshowpage\n`
  await guest.inside('sh', '-c', `cat > /home/ann/page.ps <<'END'\n${page.slice(0, 90_000)}\nEND`)
  const before = paper.received.length
  await asAnn('lp', '-d', 'QVD-paper', '-o', 'raw', '/home/ann/page.ps')
  await until('the page', () => paper.received.length > before)
  expect(paper.received.at(-1)?.toString('latin1')).toBe(guest.read('/home/ann/page.ps'))
})

test('a printer has its options in the desktop, and they reach it', async () => {
  let options = ''
  await until('the options', async () => (options = await asAnn('lpoptions', '-l')).includes('Duplex'))
  expect(options).toMatch(/^PageSize\/.*\bA4\b/m)
  const before = laser.received.length
  await asAnn('lp', '-o', 'sides=two-sided-long-edge', '-o', 'media=A4', '/etc/services')
  await until('the document', () => laser.received.length > before)
  const document = laser.received.at(-1)?.toString('latin1') ?? ''
  expect(document.slice(0, 20)).toMatch(/^%!PS/)
  const features = document.split('\n').filter((line) => line.startsWith('%%BeginFeature'))
  expect(features).toContain('%%BeginFeature: *Duplex DuplexNoTumble')
  expect(document).toContain('%%PageBoundingBox: 0 0 595 842\n')
})

test('they vanish with her, and come again', async () => {
  await client?.leave()
  await untilQueues('office')
  expect(await asAnn('lpstat', '-d')).toBe('system default destination: office\n')
  await come({ ...ALL, printers: ['paper', 'nowhere'] })
  expect(client?.told).toEqual(['You have no printer nowhere.'])
  await untilQueues('QVD-paper', 'office')
})

test('what an agent left that was killed is taken away, and nothing of others', async () => {
  const foreign = ['lpadmin', '-p', 'QVD-mine', '-E', '-v', 'socket://127.0.0.1:9', '-m', 'raw']
  await guest.inside(...foreign)
  const agent = await guest.agentPid()
  await guest.inside('kill', '-KILL', String(agent))
  await client?.close()
  await until('another agent', async () => {
    const now = await guest.agentPid()
    return now !== undefined && now !== agent
  })
  await guest.enrolAgain()
  await untilQueues('QVD-mine', 'office')
})
