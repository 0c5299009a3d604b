import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { once } from 'node:events'
import { optionsOnly, showNx } from '@ostler/client/nx-display.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Guest, startGuest } from '../fixtures/guest.ts'
import { shareLikeWindows, type WindowsShares } from '../fixtures/windows-shares.ts'
import { until } from '../fixtures/world.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'

let screen: XScreen
let guest: Guest
let laptop: WindowsShares
const display = process.env['DISPLAY']

beforeAll(async () => {
  screen = await openScreen()
  process.env['DISPLAY'] = screen.display
  laptop = await shareLikeWindows(['Inkjet', 'Label printer'])
  guest = await startGuest({ config: ['vma.printing.enable = 1', 'internal.vma.use.systemctl = 0'] })
})
afterAll(async () => {
  await guest[Symbol.asyncDispose]()
  await laptop[Symbol.asyncDispose]()
  await screen[Symbol.asyncDispose]()
  if (display === undefined) delete process.env['DISPLAY']
  else process.env['DISPLAY'] = display
})

const queues = async (): Promise<string> => await guest.inside('lpstat', '-e').catch(() => '')

test('the printers that a Windows client shares are there, and a page arrives byte by byte', async () => {
  const parameters = {
    'qvd.vm.user.name': 'ann',
    'qvd.client.link': 'lan',
    'qvd.client.os': 'windows',
    'qvd.client.printing.enabled': '1',
  }
  await guest.link?.client.x_start({ display: 'nx', parameters })
  const stream = connect(guest.path('/run/ostler/display/nx.sock'))
  await once(stream, 'connect')
  const abort = new AbortController()
  const shown = showNx(
    stream,
    Buffer.alloc(0),
    { program: 'nxproxy', extraArgs: [], environment: process.env },
    abort.signal,
    () => Promise.resolve(optionsOnly({ smb: String(laptop.port) })),
  )
  const wanted = 'QVD-Inkjet\nQVD-Label_printer\n'
  await until('the printers', async () => (await queues()) === wanted).catch(async (error: unknown) => {
    throw new Error(`${await queues()}\n${guest.read('/var/log/ostler/qvd.log')}`, { cause: error })
  })
  await guest.inside('sh', '-c', 'head -c 200000 /usr/bin/xterm > /home/ann/page; chmod 644 /home/ann/page')
  await guest.inside(
    'setpriv',
    '--reuid=ann',
    '--regid=ann',
    '--init-groups',
    'lp',
    '-o',
    'raw',
    '-d',
    'QVD-Label_printer',
    '/home/ann/page',
  )
  await until('the page', () => laptop.received('Label printer').length > 0)
  expect(laptop.received('Label printer')[0]).toEqual(readFileSync(guest.path('/home/ann/page')))
  abort.abort()
  await shown
  await until('the printers to be gone', async () => (await queues()) === '')
})
