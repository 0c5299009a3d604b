import { ADMIN_OBJECTS } from '@ostler/contract/admin-api.ts'
import type { ApiClient } from '@ostler/qa/api-client.ts'
import type { Release } from './release.ts'

/**
 * Adds an image to a flavour, where it lies: its path must be one of the node's. Version and hash are those of its manifest.
 *
 * @param tag one more that is to stand for it.
 * @returns its number.
 * @throws Fault of the api.
 */
export async function importImage(
  { path, manifest }: Release,
  { osf, tag }: { readonly osf: string; readonly tag: string | undefined },
  api: ApiClient,
): Promise<number> {
  const { name, version, sha256 } = manifest
  const kind = manifest.format === 'kvm' ? 'qcow2' : 'tarball'
  const image = { osf, name: `${name}-${version}`, kind, path, version, sha256 }
  const { id } = (await api.post(ADMIN_OBJECTS.di.path, image)) as { id: number }
  if (tag !== undefined) await api.post(`${ADMIN_OBJECTS.di.path}/${id}/tags`, { tag })
  return id
}
