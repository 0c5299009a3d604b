import { sql } from 'kysely'
import type { DoorPems } from '../model/door-certificate.ts'
import type { Db } from './open.ts'
import { transact } from './transact.ts'

/** What an administrator has set for all doors, as everybody but hkd sees it. */
export interface SslFiles extends Omit<DoorPems, 'key'> {
  readonly setAt: Date
}

/** Sets the certificate of all doors in place of what was set before, and tells hkd. */
export async function setSslFiles(
  db: Db,
  { cert, ca, crl }: Omit<DoorPems, 'key'>,
  sealedKey: string,
): Promise<void> {
  const rows = [
    { name: 'key', content: null, sealed: sealedKey },
    { name: 'cert', content: cert, sealed: null },
    ...(ca === undefined ? [] : [{ name: 'ca', content: ca, sealed: null } as const]),
    ...(crl === undefined ? [] : [{ name: 'crl', content: crl, sealed: null } as const]),
  ] as const
  await transact(db, async (tx) => {
    // Two who set it at once must not mix their files.
    await sql`SELECT pg_advisory_xact_lock(hashtext('ostler.ssl_file'))`.execute(tx)
    await tx.deleteFrom('ssl_file').execute()
    await tx.insertInto('ssl_file').values(rows).execute()
    await hint(tx)
  })
}

/** Takes it away, and tells hkd. Returns whether there was one. */
export async function deleteSslFiles(db: Db): Promise<boolean> {
  return await transact(db, async (tx) => {
    const { numDeletedRows } = await tx.deleteFrom('ssl_file').executeTakeFirst()
    await hint(tx)
    return numDeletedRows > 0n
  })
}

/** What is set, without its key; `undefined`: nothing. */
export async function readSslFiles(db: Db): Promise<SslFiles | undefined> {
  const rows = await db.selectFrom('ssl_file').select(['name', 'content', 'set_at']).execute()
  const text = (name: string): string | undefined =>
    rows.find((row) => row.name === name)?.content ?? undefined
  const cert = text('cert')
  return cert === undefined
    ? undefined
    : { cert, ca: text('ca'), crl: text('crl'), setAt: rows[0]?.set_at ?? new Date(0) }
}

/** The same with its key, sealed: for hkd alone. */
export async function readSealedSslFiles(db: Db): Promise<(SslFiles & { sealedKey: string }) | undefined> {
  return await db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (tx) => {
      const files = await readSslFiles(tx)
      const row = await tx
        .selectFrom('ssl_file')
        .select('sealed')
        .where('name', '=', 'key')
        .executeTakeFirst()
      return files === undefined ? undefined : { ...files, sealedKey: row?.sealed ?? '' }
    })
}

async function hint(db: Db): Promise<void> {
  await sql`SELECT pg_notify('ostler_config', '')`.execute(db)
}
