import { ADMIN_OBJECTS } from '@ostler/contract/admin-api.ts'
import { HOMES_PATH, type Removed } from '@ostler/contract/homes.ts'
import type { ApiClient } from './api-client.ts'
import { table } from './table.ts'

type Print = (line: string) => void

/** Prints every home, those in the trash last. */
export async function listHomes(api: ApiClient, print: Print): Promise<void> {
  for (const line of table((await api.get(HOMES_PATH)) as Record<string, unknown>[])) print(line)
}

/** Removes a desktop, a user or a flavour, and says where their homes are kept. */
export async function deleteWithHomes(
  object: 'vm' | 'user' | 'osf',
  { name, tenant }: { readonly name: string; readonly tenant?: string | undefined },
  api: ApiClient,
  print: Print,
): Promise<void> {
  const query = tenant === undefined ? '' : `?${new URLSearchParams({ tenant }).toString()}`
  const path = `${ADMIN_OBJECTS[object].path}/${encodeURIComponent(name)}${query}`
  const removed = (await api.delete(path)) as Removed
  const desktops = removed.desktops === 0 ? '' : ` with ${removed.desktops} desktops`
  print(`${object} ${name} deleted${desktops}`)
  printKept(removed, print)
}

/** Puts one home into the trash. */
export async function trashHome(id: string, api: ApiClient, print: Print): Promise<void> {
  const removed = (await api.delete(homePath(id))) as Removed
  if (removed.homes.length === 0) print(`home ${id} had never been made; it is gone`)
  printKept(removed, print)
}

/** Brings one home back from the trash; `to` may say for whom. */
export async function restoreHome(
  id: string,
  to: Readonly<Record<string, string>>,
  api: ApiClient,
  print: Print,
): Promise<void> {
  const answer = (await api.post(`${homePath(id)}/restore`, to)) as Removed & { path: string; login: string }
  print(`home ${id} is ${answer.login}'s again, at ${answer.path}`)
  printKept(answer, print)
}

/** Ends the time of one home in the trash. */
export async function purgeHome(id: string, api: ApiClient, print: Print): Promise<void> {
  await api.post(`${homePath(id)}/purge`, {})
  print(`home ${id} is being removed for good`)
}

/** Says that what lies at a path is somebody's home. */
export async function adoptHome(
  found: Readonly<Record<string, string>>,
  api: ApiClient,
  print: Print,
): Promise<void> {
  const { id, path } = (await api.post(HOMES_PATH, found)) as { id: number; path: string }
  print(`home ${id}: ${path} will be used from the next start on`)
}

function homePath(id: string): string {
  return `${HOMES_PATH}/${encodeURIComponent(id)}`
}

function printKept({ homes }: Removed, print: Print): void {
  for (const { id, was, path, until } of homes)
    print(`its home ${was} is kept until ${until.slice(0, 10)} at ${path}: qa home restore -f id=${id}`)
}
