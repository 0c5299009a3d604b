import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { run } from '@ostler/kit/run.ts'
import { billOfMaterials, copyrightFile, type Part } from './parts.ts'
import type { Stage } from './stage.ts'

/** What dpkg is told about a package. */
export interface PackageFacts {
  readonly name: string
  readonly architecture: 'amd64' | 'all'
  readonly section: string
  readonly relations: Readonly<Partial<Record<Relation, readonly string[]>>>
  readonly summary: string
  /** Lines of the longer description. */
  readonly description: readonly string[]
  /** Files of the administrator's, which an upgrade keeps: places below the root. */
  readonly conffiles: readonly string[]
  /** Programs that dpkg runs; the text has a version already. */
  readonly scripts: Readonly<Record<string, string>>
  /** What Lintian is told to accept, and why. */
  readonly overrides: readonly { readonly tag: string; readonly reason: string }[]
  readonly parts: readonly Part[]
}

type Relation = 'Depends' | 'Recommends' | 'Suggests'

/** What all packages of one build have in common. */
export interface BuildFacts {
  readonly version: string
  /** Everything in the packages has this time, in seconds since 1970. */
  readonly time: number
  /** Nothing is compressed: faster, for tests. */
  readonly plain: boolean
}

const MAINTAINER = 'Ostler maintainers <maintainers@ostler.invalid>'
const PACK_MS = 900_000

/**
 * Completes a tree with what every package has, and packs it.
 * @returns the file name of the package, in `output`.
 */
export async function pack(
  stage: Stage,
  facts: PackageFacts,
  build: BuildFacts,
  output: string,
): Promise<string> {
  const { name, architecture, parts } = facts
  const doc = `usr/share/doc/${name}`
  stage.write(`${doc}/copyright`, copyrightFile(parts))
  stage.write(`${doc}/changelog.gz`, gzipSync(changelog(name, build), { level: 9 }))
  stage.write(`${doc}/sbom.cdx.json`, billOfMaterials(name, build.version, parts))
  if (facts.overrides.length > 0)
    stage.write(`usr/share/lintian/overrides/${name}`, facts.overrides.map(overrideOf(name)).join(''))
  stage.write('DEBIAN/md5sums', md5sums(stage))
  if (facts.conffiles.length > 0)
    stage.write('DEBIAN/conffiles', facts.conffiles.map((place) => `/${place}\n`).join(''))
  for (const [script, text] of Object.entries(facts.scripts)) stage.write(`DEBIAN/${script}`, text, 0o755)
  stage.write('DEBIAN/control', control(facts, build, kilobytes(stage)))
  stage.settle(build.time)
  const file = `${name}_${build.version}_${architecture}.deb`
  const compression = build.plain ? ['-Znone'] : ['-Zxz', '-z6', '--threads-max=2']
  await run('dpkg-deb', ['--root-owner-group', ...compression, '--build', stage.folder, join(output, file)], {
    timeoutMs: PACK_MS,
    env: { PATH: '/usr/bin:/bin', SOURCE_DATE_EPOCH: String(build.time) },
  })
  return file
}

function control(facts: PackageFacts, { version }: BuildFacts, size: number): string {
  const relations = Object.entries(facts.relations).map(([word, names]) => `${word}: ${names.join(', ')}`)
  return [
    `Package: ${facts.name}`,
    'Source: ostler',
    `Version: ${version}`,
    `Architecture: ${facts.architecture}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${size}`,
    ...relations,
    `Section: ${facts.section}`,
    'Priority: optional',
    `Description: ${facts.summary}`,
    ...facts.description.map((line) => ` ${line === '' ? '.' : line}`),
    '',
  ].join('\n')
}

function changelog(name: string, { version, time }: BuildFacts): string {
  const date = new Date(time * 1_000).toUTCString().replace('GMT', '+0000')
  return `${name} (${version}) unstable; urgency=medium

  * What has changed is told in CHANGELOG.md of the sources.

 -- ${MAINTAINER}  ${date}
`
}

function overrideOf(name: string): (override: { tag: string; reason: string }) => string {
  return ({ tag, reason }) => `# ${reason}\n${name}: ${tag}\n`
}

function md5sums(stage: Stage): string {
  const regular = stage.files().filter((place) => stage.stat(place).isFile())
  return regular
    .map((place) => {
      const sum = createHash('md5').update(readFileSync(join(stage.folder, place)))
      return `${sum.digest('hex')}  ${place}\n`
    })
    .join('')
}

/** As dpkg counts: each file rounded up, one with two names once. */
function kilobytes(stage: Stage): number {
  const seen = new Map(stage.files().map((place) => [stage.stat(place).ino, stage.stat(place).size]))
  return [...seen.values()].reduce<number>((sum, size) => sum + Math.ceil(Number(size) / 1024), 0)
}
