import { load, median, print } from './figures.ts'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { holderUri } from '@ostler/contract/identity.ts'
import { issueIdentity, makeAuthority } from '@ostler/kit/certificate.ts'
import { type Guest, linkAs, startGuest } from '../fixtures/guest.ts'
import { until } from '../fixtures/world.ts'

/**
 * The agent beside bare programs, in the same guest and the same run: from `x_start` to a display that accepts a connection,
 * and the memory of an idle agent beside a bare https server on the same runtime. Prints; never judges.
 */
const ROUNDS = Number(process.argv[2] ?? 9)
const NODE = join(import.meta.dirname, '../../build/agent/node')

/** Parts of the agent, each beside the bare server by itself; what is loaded on first use only is marked. */
const MODULES = [
  ['contract', '@ostler/contract/agent-api.ts'],
  ['log', '@ostler/kit/log.ts'],
  ['configuration', '@ostler/agent/config/load.ts'],
  ['console (on first use)', '@ostler/agent/console/upgrade.ts'],
  ['all of the agent, not started', '@ostler/agent/wiring/agent.ts'],
] as const
const NOTHING = `setInterval(() => {}, 1e6); console.log('up')`
const SERVER = `
import { createServer, request } from 'node:https'
import { readFileSync } from 'node:fs'
const tls = Object.fromEntries(['key', 'cert', 'ca'].map((n) => [n, readFileSync(process.argv[2] + '/' + n)]))
const server = createServer({ ...tls, requestCert: true, minVersion: 'TLSv1.3' }, (q, a) => a.end('{}'))
server.listen(0, '127.0.0.1', () =>
  request({ ...tls, port: server.address().port, checkServerIdentity: () => undefined, agent: false }, (a) => {
    a.resume()
    a.on('end', () => console.log('up'))
  }).end())
`

print(`rounds: ${ROUNDS}, load average before: ${load()}`)
{
  await using guest = await startGuest()
  await starts(guest, 'new')
  await starts(guest, 'known')
  await memory(guest)
}
print(`load average after: ${load()}`)

/** Paired: ours, then the bare one, again and again. */
async function starts(guest: Guest, kind: 'new' | 'known'): Promise<void> {
  const hkd = guest.authority === undefined ? undefined : await linkAs(guest.authority, 'hkd', guest.address)
  const ours: number[] = []
  const bare: number[] = []
  if (kind === 'known') {
    await guest.inside('useradd', '--create-home', '--user-group', 'known')
    await guest.inside('useradd', '--create-home', '--user-group', 'bareknown')
  }
  for (let round = 0; round < ROUNDS; round++) {
    const name = kind === 'new' ? `ours${round}` : 'known'
    const began = performance.now()
    await guest.link?.client.x_start({ display: 'nx', parameters: { 'qvd.vm.user.name': name } })
    ours.push(performance.now() - began)
    await hkd?.client.x_stop({})
    const other = kind === 'new' ? `bare${round}` : 'bareknown'
    const script = join(import.meta.dirname, 'bare-session.ts')
    const { totalMs } = JSON.parse(await guest.inside(NODE, script, other, kind)) as { totalMs: number }
    bare.push(totalMs)
    await until(
      'the bare session to be gone',
      async () => (await guest.pidOf('^/usr/bin/nxagent')) === undefined,
    )
  }
  hkd?.[Symbol.dispose]()
  report(`x_start -> listening, ${kind} user`, ours)
  report(`  bare${kind === 'new' ? ' useradd +' : ''} xinit nxagent`, bare)
  const ratios = ours.map((value, index) => value / (bare[index] ?? 1))
  print(`  ratio, median of pairs: ${median(ratios).toFixed(2)}`)
}

async function memory(guest: Guest): Promise<void> {
  const agent = Number((await guest.inside('pgrep', '-f', 'vma.cjs')).split('\n')[0])
  const inside = (pid: number): Sizes => sizes(readFileSync(guest.path(`/proc/${pid}/smaps_rollup`), 'utf8'))
  // Settled: what the start needed is collected.
  await new Promise((resolve) => setTimeout(resolve, 6_000))
  const rows: [string, Sizes][] = [['agent, idle, all configured', inside(agent)]]
  rows.unshift(['bare https server, mutual TLS', await bareServer('')])
  rows.unshift(['node, nothing loaded', await bareServer('nothing')])
  for (const [name, module] of MODULES) rows.push([`bare https server + ${name}`, await bareServer(module)])
  print('memory, MB                                      RSS   private dirty')
  for (const [name, size] of rows) print(`  ${name.padEnd(42)} ${mb(size.rss)} ${mb(size.dirty)}`)
}

interface Sizes {
  readonly rss: number
  readonly dirty: number
}

/** A server as bare as it can be, bundled as the agent is, after one request. */
async function bareServer(module: string): Promise<Sizes> {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-bench-'))
  try {
    const authority = await makeAuthority('Bench authority', 1)
    const own = await issueIdentity(authority, {
      commonName: 'bench',
      uri: holderUri({ role: 'hkd' }),
      days: 1,
    })
    writeFileSync(join(folder, 'key'), own.key)
    writeFileSync(join(folder, 'cert'), own.certificate)
    writeFileSync(join(folder, 'ca'), authority.certificate)
    const source =
      module === 'nothing'
        ? NOTHING
        : `${module === '' ? '' : `import * as m from '${module}'; globalThis.m = m\n`}${SERVER}`
    await build({
      stdin: { contents: source, resolveDir: join(import.meta.dirname, '../..'), loader: 'js' },
      outfile: join(folder, 'server.cjs'),
      bundle: true,
      platform: 'node',
      format: 'cjs',
      minify: true,
      define: { 'process.env.NODE_ENV': '"production"' },
      logLevel: 'error',
    })
    const child = spawn(NODE, [join(folder, 'server.cjs'), folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { LD_LIBRARY_PATH: join(NODE, '..') },
    })
    await new Promise((resolve, reject) => {
      child.stdout.once('data', resolve)
      child.once('exit', () => reject(new Error('the bare server ended')))
    })
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    const size = sizes(readFileSync(`/proc/${child.pid ?? 0}/smaps_rollup`, 'utf8'))
    child.kill('SIGKILL')
    return size
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function sizes(rollup: string): Sizes {
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1])
  return { rss: field('Rss'), dirty: field('Private_Dirty') }
}

function mb(kilobytes: number): string {
  return (kilobytes / 1024).toFixed(1).padStart(8)
}

function report(what: string, values: readonly number[]): void {
  const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(0))
  print(`${what.padEnd(42)} p50 ${median(values).toFixed(0).padStart(5)} ms  (${low}–${high})`)
}
