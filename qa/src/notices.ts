import { NOTICES_PATH } from '@ostler/contract/admin-api.ts'
import type { ApiClient } from './api-client.ts'
import { table } from './table.ts'

/** Prints of what administrators were told, or are to be, newest first. */
export async function listNotices(api: ApiClient, print: (line: string) => void): Promise<void> {
  const rows = (await api.get(NOTICES_PATH)) as Record<string, unknown>[]
  for (const line of table(rows)) print(line)
}
