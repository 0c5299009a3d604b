import { sql } from 'kysely'
import type { Db } from './open.ts'

/** What an administrator did, or was refused. No secret is in it. */
export interface AuditLine {
  /** The number by which its request is known in logs, too. */
  readonly request: string
  readonly by: string
  readonly role: string
  readonly tenantId: number | undefined
  readonly address: string
  /** Method and path as in the documentation. */
  readonly action: string
  /** What it was about, in words. */
  readonly object: string
  readonly status: number
  readonly said?: unknown
  readonly before?: unknown
  readonly after?: unknown
  readonly fault?: string | undefined
}

/** Adds a line. */
export async function addAuditLine(db: Db, line: AuditLine): Promise<void> {
  const { tenantId, said, before, after, fault, ...words } = line
  const json = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value))
  await db
    .insertInto('audit')
    .values({
      ...words,
      tenant_id: tenantId ?? null,
      ...{ said: json(said), before: json(before), after: json(after) },
      fault: fault ?? null,
    })
    .execute()
}

/**
 * The newest lines, newest first.
 * @param of lines of one tenant alone, and those older than a number.
 */
export async function listAudit(
  db: Db,
  of: { readonly tenantId: number | undefined; readonly before: number | undefined; readonly limit: number },
) {
  const { tenantId, before, limit } = of
  const rows = await db
    .selectFrom('audit')
    .select(['id', 'at', 'request', 'by', 'role', 'address', 'action', 'object', 'status', 'fault'])
    .select(['said', 'before', 'after'])
    .$if(tenantId !== undefined, (lines) => lines.where('tenant_id', '=', tenantId ?? 0))
    .$if(before !== undefined, (lines) => lines.where('id', '<', sql<string>`${before ?? 0}::bigint`))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows.map((row) => ({ ...row, id: Number(row.id) }))
}
