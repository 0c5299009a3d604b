import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Something of others that lies in a package. */
export interface Part {
  readonly name: string
  readonly version: string
  /** SPDX's words. */
  readonly license: string
  /** Texts that must go with it. */
  readonly texts: readonly string[]
  /** Package URL, as lists of parts have it. */
  readonly purl: string
}

/** What npm says of a package. */
interface Manifest {
  readonly name: string
  readonly version: string
  readonly license?: string
}

const TEXT_FILE = /^(licen[cs]e|copying|notice)/i
/** Every Debian has the text of the Apache License. */
const OWN_TEXT = /^licen[cs]e/i

/** The parts in folders of npm packages, each once, sorted by name. */
export function npmParts(root: string, folders: readonly string[]): Part[] {
  const parts = new Map<string, Part>()
  for (const folder of folders) {
    const part = npmPart(join(root, folder))
    parts.set(part.purl, part)
  }
  return [...parts.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1))
}

/** The folders that went into a bundle, as scripts/build.ts has written them down. */
export function bundled(root: string, bundle: string): string[] {
  return JSON.parse(readFileSync(join(root, 'build', `${bundle}.parts.json`), 'utf8')) as string[]
}

function npmPart(folder: string): Part {
  const { name, version, license } = JSON.parse(
    readFileSync(join(folder, 'package.json'), 'utf8'),
  ) as Manifest
  if (license === undefined) throw new Error(`${folder} does not say its licence`)
  const texts = readdirSync(folder)
    .filter((file) => TEXT_FILE.test(file) && !(license === 'Apache-2.0' && OWN_TEXT.test(file)))
    .sort()
    .map((file) => readFileSync(join(folder, file), 'utf8').trim())
  return { name, version, license, texts, purl: `pkg:npm/${name.replace('@', '%40')}@${version}` }
}

/** GCC's library of atomic operations, which Node needs and small images do not have. */
export function atomicLibrary(): Part {
  const copyright = '/usr/share/doc/libatomic1/copyright'
  const status = readFileSync('/var/lib/dpkg/status', 'utf8')
  const version = /^Package: libatomic1\n(?:.+\n)*?Version: (.+)$/m.exec(status)?.[1] ?? 'unknown'
  return {
    name: 'libatomic1',
    version,
    license: 'GPL-3.0-or-later WITH GCC-exception-3.1',
    texts: existsSync(copyright) ? [readFileSync(copyright, 'utf8').trim()] : [],
    purl: `pkg:deb/debian/libatomic1@${encodeURIComponent(version)}?arch=amd64`,
  }
}

/** The list of a package's parts, as CycloneDX 1.5 in JSON. The same parts give the same bytes. */
export function billOfMaterials(name: string, version: string, parts: readonly Part[]): string {
  const component = { type: 'application', name, version, licenses: [{ license: { id: 'Apache-2.0' } }] }
  const components = parts.map((part) => ({
    ...{ type: 'library', 'bom-ref': part.purl, name: part.name, version: part.version, purl: part.purl },
    licenses: [{ expression: part.license }],
  }))
  const digest = createHash('sha256').update(JSON.stringify({ component, components })).digest('hex')
  const id = digest.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-5$3-a$4-$5')
  const bill = {
    ...{ bomFormat: 'CycloneDX', specVersion: '1.5', serialNumber: `urn:uuid:${id}`, version: 1 },
    metadata: { component },
    components,
  }
  return `${JSON.stringify(bill, null, 1)}\n`
}

/** A copyright file in Debian's format, with every licence text of what is bundled. */
export function copyrightFile(parts: readonly Part[]): string {
  const own = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Ostler

Files: *
Copyright: 2026 The authors of Ostler
License: Apache-2.0
 On Debian systems the text of the Apache License, version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
`
  const others = parts.map(({ name, version, license, texts }) => {
    const text = texts.length === 0 ? 'The package brings no text of its own.' : texts.join('\n\n')
    return `Comment: ${name} ${version} is bundled. Its licence is ${license}. Its words:\n${indented(text)}\n`
  })
  return [own, ...others].join('\n')
}

/** The licences of what is bundled with a program that Debian does not have: all texts, word by word. */
export function plainLicences(parts: readonly Part[]): string {
  const own =
    'Ostler. Copyright 2026 The authors of Ostler. Apache License, version 2.0: https://www.apache.org/licenses/LICENSE-2.0'
  const others = parts.map(({ name, version, license, texts }) => {
    const text = texts.length === 0 ? 'The package brings no text of its own.' : texts.join('\n\n')
    return `${'-'.repeat(78)}\n${name} ${version} is bundled. Its licence is ${license}. Its words:\n\n${text}\n`
  })
  return [`${own}\n`, ...others].join('\n').replaceAll(/\r?\n/g, '\r\n')
}

function indented(text: string): string {
  return text
    .split('\n')
    .map((line) => (line.trim() === '' ? ' .' : `  ${line.trimEnd()}`))
    .join('\n')
}
