import type { Db } from './open.ts'

export interface UserRow {
  readonly id: number
  readonly login: string
  readonly password: string
  readonly blocked: boolean
}

export async function findUser(db: Db, login: string): Promise<UserRow | undefined> {
  return await db
    .selectFrom('users')
    .select(['id', 'login', 'password', 'blocked'])
    .where('login', '=', login)
    .executeTakeFirst()
}

export async function findUserById(db: Db, id: number): Promise<UserRow | undefined> {
  return await db
    .selectFrom('users')
    .select(['id', 'login', 'password', 'blocked'])
    .where('id', '=', id)
    .executeTakeFirst()
}
