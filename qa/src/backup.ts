import { BACKUPS_PATH, type BackupState } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiClient } from './api-client.ts'
import { table } from './table.ts'

const LOOK_MS = 300
/** hkd takes an order within half a minute even when a hint was lost; the rest is the backup. */
const LONGEST_MS = 7_200_000

/** Asks for a backup, waits for it and prints the file's name. @throws Fault `backup.failed` with the reason. */
export async function backUpNow(api: ApiClient, print: (line: string) => void): Promise<void> {
  const { id } = (await api.post(BACKUPS_PATH, {})) as { id: number }
  const end = performance.now() + LONGEST_MS
  for (;;) {
    const { ended, file, fault } = (await api.get(`${BACKUPS_PATH}/${id}`)) as BackupState
    if (file !== null) return void print(`backup ${id} made and verified: ${file}`)
    if (ended) throw new Fault('backup.failed', { reason: fault ?? 'it was interrupted' })
    if (performance.now() > end) throw new Fault('backup.failed', { reason: 'it takes too long' })
    await sleep(LOOK_MS)
  }
}

/** Prints the newest backups. What failed stands there until it is old. */
export async function listBackups(api: ApiClient, print: (line: string) => void): Promise<void> {
  const rows = (await api.get(BACKUPS_PATH)) as Record<string, unknown>[]
  for (const line of table(rows)) print(line)
}
