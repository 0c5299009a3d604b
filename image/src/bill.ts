import { createHash } from 'node:crypto'

/** A Debian package of an image. */
export interface InstalledPackage {
  readonly name: string
  readonly version: string
  readonly architecture: string
}

/** Reads dpkg's own file of what is installed, sorted by name. */
export function installedPackages(status: string): InstalledPackage[] {
  return status
    .split(/\n\n+/)
    .filter((block) => /^Status: install ok installed$/m.test(block))
    .map((block) => {
      const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? ''
      return { name: field('Package'), version: field('Version'), architecture: field('Architecture') }
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** What an image consists of, as CycloneDX 1.5 in JSON. The same packages give the same bytes. */
export function billOfImage(
  image: { readonly name: string; readonly version: string; readonly distribution: string },
  packages: readonly InstalledPackage[],
): string {
  const { name, version, distribution } = image
  const components = packages.map((each) => {
    const at = `${encodeURIComponent(each.version)}?arch=${each.architecture}`
    const purl = `pkg:deb/${distribution}/${encodeURIComponent(each.name)}@${at}`
    return { type: 'library', 'bom-ref': purl, name: each.name, version: each.version, purl }
  })
  const component = { type: 'operating-system', name, version }
  const digest = createHash('sha256').update(JSON.stringify({ component, components })).digest('hex')
  const id = digest.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-5$3-a$4-$5')
  const head = { bomFormat: 'CycloneDX', specVersion: '1.5', serialNumber: `urn:uuid:${id}`, version: 1 }
  return `${JSON.stringify({ ...head, metadata: { component }, components }, null, 1)}\n`
}
