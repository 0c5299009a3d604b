import { Fault } from '@ostler/contract/fault.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { createHash } from 'node:crypto'
import { createReadStream, readdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import * as z from 'zod'
import { billOfImage, type InstalledPackage } from './bill.ts'

/** What is known of an image; it lies beside it, as IMAGE.json. */
const manifestSchema = z.strictObject({
  name: z.string(),
  version: z.string(),
  format: z.enum(['lxc', 'kvm']),
  file: z.string(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.number().int(),
  made: z.string(),
  /** Version of the agent inside; none: the node lends its own. */
  agent: z.string().optional(),
  distribution: z.string(),
  suite: z.string(),
  /** The environment of the recipe. */
  desktop: z.string(),
  packages: z.number().int(),
  /** The version that it was made from by hand. */
  editedFrom: z.string().optional(),
  /** The recipe, word by word. */
  recipe: z.string(),
})
export type Manifest = z.output<typeof manifestSchema>

/** An image that was built, with its manifest. */
export interface Release {
  readonly path: string
  readonly manifest: Manifest
}

/** What the manifest of a new image says beside what its file tells. */
export type About = Omit<Manifest, 'file' | 'sha256' | 'bytes' | 'made' | 'packages' | 'agent'>

/**
 * Gives a finished file its name, with everything that lies beside it: manifest, list of parts, checksum. The manifest comes last:
 * an image that has one is whole.
 */
export async function release(
  draft: string,
  output: string,
  about: About,
  packages: readonly InstalledPackage[],
): Promise<Release> {
  const file = `${about.name}-${about.version}${endingOf(draft)}`
  const path = join(output, file)
  const sha256 = await digest(draft)
  const agent = packages.find(({ name }) => name === 'ostler-vma')?.version
  const manifest: Manifest = {
    ...about,
    ...(agent === undefined ? {} : { agent }),
    ...{ file, sha256, bytes: statSync(draft).size, made: new Date().toISOString() },
    packages: packages.length,
  }
  renameSync(draft, path)
  const beside = (ending: string, text: string): void =>
    writeWhole(join(output, `${about.name}-${about.version}.${ending}`), text, { mode: 0o644 })
  beside('sbom.cdx.json', billOfImage(about, packages))
  beside('sha256', `${sha256}  ${file}\n`)
  beside('json', `${JSON.stringify(manifest, null, 2)}\n`)
  return { path, manifest }
}

/** @throws Fault `image.foreign` when the file, or its manifest, is not there or not what it was. */
export function readRelease(path: string): Release {
  const foreign = (reason: string, cause?: unknown): Fault =>
    new Fault('image.foreign', { file: path, reason }, { cause })
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat?.isFile() !== true) throw foreign('there is no such file')
  const beside = join(dirname(path), `${basename(path).replace(/\.(?:tar(?:\.\w+)?|qcow2)$/, '')}.json`)
  let manifest: Manifest
  try {
    manifest = manifestSchema.parse(JSON.parse(readFileSync(beside, 'utf8')))
  } catch (cause) {
    throw foreign(`${beside} is not there, or no manifest`, cause)
  }
  if (manifest.file !== basename(path)) throw foreign(`its manifest is for ${manifest.file}`)
  if (manifest.bytes !== stat.size) throw foreign('its size is not what its manifest says')
  return { path: resolve(path), manifest }
}

/** The day and a number, such as `2026-03-01-000`, which no image of that name has there. */
export function nextVersion(output: string, name: string, now: Date): string {
  const start = `${now.toISOString().slice(0, 10)}-`
  const numbers = readdirSync(output)
    .filter((file) => file.startsWith(`${name}-${start}`))
    .map((file) => Number(file.slice(name.length + 1 + start.length).slice(0, 3)))
  return `${start}${String(Math.max(-1, ...numbers) + 1).padStart(3, '0')}`
}

function endingOf(draft: string): string {
  return /\.(?:tar(?:\.\w+)?|qcow2)$/.exec(draft)?.[0] ?? ''
}

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
