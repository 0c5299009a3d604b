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

export async function writeAuthority(db: Db, authority: StoredAuthority): Promise<void> {
  await db
    .insertInto('authority')
    .values({ certificate: authority.certificate, sealed_key: authority.sealedKey })
    .execute()
}
