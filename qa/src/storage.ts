import { Fault } from '@ostler/contract/fault.ts'
import {
  STORAGE_LOOKS_PATH,
  STORAGE_PURGES_PATH,
  type StorageLook,
  type StoragePurge,
} from '@ostler/contract/storage-api.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiClient } from './api-client.ts'
import { table } from './table.ts'

const LOOK_MS = 300
/** hkd takes an order within half a minute even when a hint was lost; the rest is the work. */
const LONGEST_MS = 1_800_000

/** `qa storage orphans`: what lies in the storage of the nodes and nothing needs. */
export async function listOrphans(api: ApiClient, print: (line: string) => void): Promise<void> {
  const { ids } = (await api.post(STORAGE_LOOKS_PATH, {})) as { ids: number[] }
  const looks = await untilEnded<StorageLook>(api, STORAGE_LOOKS_PATH, ids)
  for (const { host, fault } of looks) if (fault !== null) print(`${host} could not be looked at: ${fault}`)
  const rows = looks.flatMap(({ host, orphans }) =>
    orphans.map(({ id, kind, bytes, modified, path, why }) => ({
      ...{ id, host, kind, size: readable(bytes), modified: modified.slice(0, 16), path, why },
    })),
  )
  for (const line of table(rows)) print(line)
  print(rows.length === 0 ? 'nothing is there that nothing needs' : 'qa storage purge ids=… removes them')
}

/** `qa storage purge ids=3,4`: removes what was listed. */
export async function purgeOrphans(
  words: readonly string[],
  api: ApiClient,
  print: (line: string) => void,
): Promise<void> {
  const [, list] = /^ids?=(\d{1,9}(?:,\d{1,9})*)$/.exec(words.length === 1 ? (words[0] ?? '') : '') ?? []
  if (list === undefined)
    throw new Fault('client.choice', { problem: 'which ones?', choices: 'ids=NUMBER,… as listed' })
  const ids = [...new Set(list.split(',').map(Number))]
  await api.post(STORAGE_PURGES_PATH, { ids })
  const ended = await untilEnded<StoragePurge>(api, STORAGE_PURGES_PATH, ids)
  for (const { id, path, fault } of ended)
    print(fault === null ? `${id} removed: ${path}` : `${id} stays, ${fault}: ${path}`)
  const [stays] = ended.filter(({ fault }) => fault !== null)
  if (stays !== undefined && ended.every(({ fault }) => fault !== null))
    throw new Fault('storage.orphan', { reason: stays.fault ?? '' })
}

async function untilEnded<T extends { readonly ended: boolean }>(
  api: ApiClient,
  path: string,
  ids: readonly number[],
): Promise<readonly T[]> {
  if (ids.length === 0) return []
  const query = new URLSearchParams(ids.map((id) => ['id', String(id)])).toString()
  const end = performance.now() + LONGEST_MS
  for (;;) {
    const found = (await api.get(`${path}?${query}`)) as T[]
    if (found.every(({ ended }) => ended)) return found
    if (performance.now() > end) throw new Fault('storage.orphan', { reason: 'no node has answered' })
    await sleep(LOOK_MS)
  }
}

function readable(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const step = Math.min(units.length - 1, Math.floor(Math.log(Math.max(1, bytes)) / Math.log(1024)))
  return `${Math.round(bytes / 1024 ** step)} ${units[step] ?? ''}`
}
