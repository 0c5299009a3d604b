import type { Db } from './open.ts'

/** The installation's certificate authority; its key is sealed under the node key. */
export interface StoredAuthority {
  readonly certificate: string
  readonly sealedKey: string
}

export async function readAuthority(db: Db): Promise<StoredAuthority | undefined> {
  return await db
    .selectFrom('authority')
    .select(['certificate', 'sealed_key as sealedKey'])
    .orderBy('id')
    .executeTakeFirst()
}

/** Forgets every authority whose key nobody can open any more. */
export async function forgetAuthority(db: Db): Promise<void> {
  await db.deleteFrom('authority').execute()
}

export async function writeAuthority(db: Db, authority: StoredAuthority): Promise<void> {
  await db
    .insertInto('authority')
    .values({ certificate: authority.certificate, sealed_key: authority.sealedKey })
    .execute()
}

/** Lets others seal what only hkd is to read. */
export async function publishSealingKey(db: Db, publicKey: string): Promise<void> {
  await db
    .updateTable('authority')
    .set({ sealing_key: publicKey })
    .where('sealing_key', 'is distinct from', publicKey)
    .execute()
}

/** What to seal with for hkd, PEM; `undefined` before a hkd has run on this database. */
export async function readSealingKey(db: Db): Promise<string | undefined> {
  const row = await db.selectFrom('authority').select('sealing_key').executeTakeFirst()
  return row?.sealing_key ?? undefined
}
