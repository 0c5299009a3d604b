import { Fault } from '@ostler/contract/fault.ts'
import { holderUri } from '@ostler/contract/identity.ts'
import { issueIdentity, makeAuthority, signCertificate, type Identity } from '@ostler/kit/certificate.ts'
import { run } from '@ostler/kit/run.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { type AgentLink, enrolAgent, openAgentLink } from '@ostler/proxy/guest/agent-link.ts'
import { randomBytes } from 'node:crypto'
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FILES } from '../../packaging/msi/source.ts'
import { until } from '../fixtures/world.ts'
import { Wine } from './wine.ts'

const BUILD = join(import.meta.dirname, '../../packaging/msi/build.ts')
/** Wine 8 does not run the Node that is shipped; all else is what is shipped. */
const NODE_FOR_WINE = '22.23.3'
const DESKTOP = 7

const scope = new Scope()
let output: string
let wine: Wine
let before: string[]
let port: number
let authority: Identity
let door: Identity

beforeAll(async () => {
  output = mkdtempSync(join(tmpdir(), 'ostler-installers-'))
  scope.defer(() => rmSync(output, { recursive: true }))
  await build('0.1.0')
  await build('0.1.1')
  wine = scope.own(await Wine.open())
  before = wine.files()
  port = await freePort()
  authority = await makeAuthority('Yard', 2)
  door = await issueIdentity(authority, { commonName: 'l7r', uri: holderUri({ role: 'l7r' }), days: 1 })
})
afterAll(() => scope.close())

test('it is installed without a word, and the service runs', async () => {
  expect(await install('0.1.0', `PORT=${port}`)).toBe(0)
  expect(readdirSync(program()).sort()).toEqual([...FILES, 'hooks'].sort())
  expect(readFileSync(data('vma.conf'), 'utf8')).toContain(`internal.vm.port.vma = ${port}`)
  expect(await serviceState()).toBe('RUNNING')
})

test('the agent enrols with the ticket of its boot folder, and answers', async () => {
  using link = await enrolled(1)
  expect(await link.client.ping({})).toEqual({ version: '0.1.0' })
  expect(await link.client.x_state({})).toEqual({ state: 'stopped' })
})

test('what Windows does not have is refused by name', async () => {
  using link = openLink(1)
  const parameters = { 'qvd.vm.user.name': 'ann' }
  await expect(link.client.x_start({ display: 'nx', parameters })).rejects.toMatchObject({
    code: 'display.missing',
    detail: { display: 'nx' },
  })
  await expect(link.client.x_start({ display: 'rfb', parameters })).rejects.toThrow('RDP alone')
})

test('a session that cannot be made is a fault, and the agent goes on', async () => {
  using link = openLink(1)
  // Wine's PowerShell does nothing.
  await expect(
    link.client.x_start({ display: 'rdp', parameters: { 'qvd.vm.user.name': 'ann' } }),
  ).rejects.toMatchObject({ code: 'session.user' })
  expect(await link.client.x_state({})).toEqual({ state: 'stopped' })
})

test('a service that is stopped lets its agent end by itself, and nothing of it stays', async () => {
  expect((await wine.run('net.exe', 'stop', 'ostler-vma')).code).toBe(0)
  await until('the service to stop', async () => (await serviceState()) === 'STOPPED')
  expect(readFileSync(data('log', 'qvd.log'), 'utf8')).toMatch(/"message":"stopped"[^\n]*\n$/)
  expect(await isFree(port)).toBe(true)
})

test('an agent that ends is started again', async () => {
  // A configuration that cannot be used ends it at once.
  renameSync(data('vma.conf'), data('vma.conf.good'))
  writeFileSync(data('vma.conf'), 'internal.vm.port.vma = none\r\n')
  expect((await wine.run('net.exe', 'start', 'ostler-vma')).code).toBe(0)
  const told = (): number =>
    readFileSync(data('log', 'service.log'), 'latin1').split('internal.vm.port.vma').length
  await until('it to say three times why', () => Promise.resolve(told() > 3))
  expect(await serviceState()).toBe('RUNNING')
  renameSync(data('vma.conf.good'), data('vma.conf'))
  using link = await enrolled(2)
  expect(await link.client.ping({})).toEqual({ version: '0.1.0' })
})

test('an upgrade keeps the configuration and the hooks, and leaves one version', async () => {
  appendFileSync(data('vma.conf'), 'vma.hook.timeout = 17\r\n')
  writeFileSync(join(program(), 'hooks', 'ours.ps1'), 'exit 0\r\n')
  expect(await install('0.1.1', 'PORT=1')).toBe(0)
  expect(readFileSync(data('vma.conf'), 'utf8')).toContain('vma.hook.timeout = 17')
  expect(readFileSync(data('vma.conf'), 'utf8')).toContain(`internal.vm.port.vma = ${port}`)
  expect(existsSync(join(program(), 'hooks', 'ours.ps1'))).toBe(true)
  const versions = (await wine.registry('"DisplayVersion"')).filter((line) => line.includes('"0.1.'))
  expect([...new Set(versions)]).toEqual(['"DisplayVersion"="0.1.1"'])
  expect(await serviceState()).toBe('RUNNING')
  using link = await enrolled(3)
  expect(await link.client.x_state({})).toEqual({ state: 'stopped' })
})

test('an older version is not put over a newer one', async () => {
  expect(await install('0.1.0')).not.toBe(0)
  expect(await serviceState()).toBe('RUNNING')
})

test('it goes without a trace', async () => {
  rmSync(join(program(), 'hooks', 'ours.ps1'))
  const { code } = await wine.run('msiexec.exe', '/x', installer('0.1.1'), '/qn')
  expect(code).toBe(0)
  // Windows' own folder for installers.
  expect(wine.files()).toEqual([...before, 'windows/Installer'].sort())
  expect(await wine.registry('ostler')).toEqual([])
  expect(await isFree(port)).toBe(true)
})

test('an upgrade stays in the folder that was chosen, and START=0 leaves the service for the next boot', async () => {
  expect(await install('0.1.0', 'INSTALLDIR=C:\\Elsewhere', `PORT=${port}`, 'START=0')).toBe(0)
  expect(await serviceState()).toBe('STOPPED')
  expect(await install('0.1.1')).toBe(0)
  expect(existsSync(wine.path('Elsewhere/vma.cjs'))).toBe(true)
  expect(existsSync(program())).toBe(false)
  expect(await serviceState()).toBe('RUNNING')
  expect((await wine.run('msiexec.exe', '/x', installer('0.1.1'), '/qn')).code).toBe(0)
  expect(wine.files()).toEqual([...before, 'windows/Installer'].sort())
  expect(await wine.registry('ostler')).toEqual([])
})

test('the same sources give the same bytes', async () => {
  const again = mkdtempSync(join(tmpdir(), 'ostler-installers-'))
  using _ = { [Symbol.dispose]: () => rmSync(again, { recursive: true }) }
  await build('0.1.0', again)
  expect(readFileSync(installerFile('0.1.0', again)).equals(readFileSync(installerFile('0.1.0')))).toBe(true)
})

async function build(version: string, folder = output): Promise<void> {
  await run(process.execPath, [BUILD, '--node', NODE_FOR_WINE, '--version', version, '--output', folder], {
    env: { ...process.env, SOURCE_DATE_EPOCH: '1700000000' },
    timeoutMs: 900_000,
  })
}

function installerFile(version: string, folder = output): string {
  return join(folder, `ostler-agent-${version}-x64.msi`)
}

/** As Windows sees it: drive Z is this machine. */
function installer(version: string): string {
  return `Z:${installerFile(version).replaceAll('/', '\\')}`
}

async function install(version: string, ...properties: string[]): Promise<number> {
  return (await wine.run('msiexec.exe', '/i', installer(version), '/qn', ...properties)).code
}

function program(): string {
  return wine.path('Program Files/Ostler')
}

function data(...names: string[]): string {
  return wine.path('ProgramData/Ostler', ...names)
}

async function serviceState(): Promise<string | undefined> {
  const { text } = await wine.run('sc.exe', 'query', 'ostler-vma')
  return /STATE\s*: \d+\s+(\w+)/.exec(text)?.[1]
}

/** Brings a ticket, as a node does, and enrols the agent for one more boot. */
async function enrolled(epoch: number): Promise<AgentLink> {
  const secret = randomBytes(32)
  const ticket = { desktop: DESKTOP, epoch, secret: secret.toString('hex'), displayUid: 0 }
  writeFileSync(data('boot', 'draft'), JSON.stringify(ticket))
  renameSync(data('boot', 'draft'), data('boot', 'enrol.json'))
  const address = { desktop: DESKTOP, epoch, host: '127.0.0.1', port }
  await until('the agent to enrol', () =>
    answers(() => enrolAgent(address, secret, sign, AbortSignal.timeout(10_000))),
  )
  const link = openLink(epoch)
  await until('the agent to serve', () => answers(() => link.client.ping({})))
  return link

  async function sign(publicKey: Buffer): Promise<{ certificate: string; authority: string }> {
    const uri = holderUri({ role: 'vma', desktop: DESKTOP, epoch })
    const certificate = await signCertificate(authority, { commonName: 'desktop', uri, publicKey, days: 1 })
    return { certificate, authority: authority.certificate }
  }
}

/** Whether an agent that is just beginning, or changing from one server to the next, has answered. */
async function answers(ask: () => Promise<unknown>): Promise<boolean> {
  try {
    await ask()
    return true
  } catch (error) {
    if (error instanceof Fault && error.code === 'agent.unreachable') return false
    throw error
  }
}

function openLink(epoch: number): AgentLink {
  return openAgentLink(
    { desktop: DESKTOP, epoch, host: '127.0.0.1', port },
    { ...door, authority: authority.certificate },
  )
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

/** Whether nobody listens there. */
async function isFree(wanted: number): Promise<boolean> {
  const server = createServer().listen(wanted)
  const free = await Promise.race([
    once(server, 'listening').then(() => true),
    once(server, 'error').then(() => false),
  ])
  server.close()
  return free
}
