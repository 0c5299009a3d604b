import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { DEFAULT_ENV } from '@ostler/kit/run.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { SUPERUSER } from '../hkd/cluster.ts'
import { copyDatabase, type Moved, type MoveTarget } from '../hkd/database-move.ts'
import { ROLES } from '../store/bootstrap.ts'
import { readContents } from '../store/contents.ts'
import { lockOut } from '../store/lock-out.ts'
import { loadNodeConfig, type NodeValues } from './node-config.ts'
import { databaseAddress, requireAccount } from './node-parts.ts'
import { preflight } from './preflight.ts'
import { isRemote, prepareRemote, remoteAddress, rolePasswords } from './remote-database.ts'

/** What libpq needs where nothing else is said. */
const SYSTEM_AUTHORITIES = '/etc/ssl/certs/ca-certificates.crt'

/**
 * Moves the private database of a running node to a server. From the moment in which the tables are read nothing writes them any more;
 * displays go on. At the end the configuration names the server, and hkd, doors and api are to be started again.
 *
 * Whatever fails before that, they go on with the private database. What it held stays there, closed to them.
 *
 * @param configFile of the node; the lines are added to it by a rename.
 * @param linesFile `database.*` keys of the server, as they stand in a `node.conf`.
 * @returns what was moved, and for how many seconds nothing could be written until now.
 * @throws Fault `move.*`, `config.invalid`, `database.*`, `node.*`.
 */
export async function moveDatabase(
  configFile: string,
  linesFile: string,
  log: Log,
): Promise<Moved & { readonly seconds: number }> {
  preflight('ostler-hkd')
  const before = loadNodeConfig(configFile).values
  if (isRemote(before)) throw new Fault('move.elsewhere', { host: before['database.host'] })
  const draft = `${configFile}.moved`
  writeDraft(draft, configFile, linesFile)
  try {
    const after = loadNodeConfig(draft).values
    if (!isRemote(after))
      throw new Fault('config.invalid', { problems: `${linesFile}: database.host is missing` })
    const [door, api] = [requireAccount(before['l7r.as_user']), requireAccount(before['api.as_user'])]
    await prepareRemote(after, { door, api }, log)
    await requireEmpty(after)
    const superuser = databaseAddress(before, SUPERUSER)
    log.warn('the database moves: nothing writes to it any more', { to: after['database.host'] })
    const began = performance.now()
    await using closed = await lockOut(superuser)
    const moved = await copyDatabase(
      {
        ...{ superuser, data: before['path.database'], programs: before['path.postgresql'] },
        ...{ account: requireAccount(before['database.as_user']), folder: before['path.backup'] },
      },
      targetOf(after),
    ).catch((cause: unknown) => {
      throw notMoved(cause)
    })
    renameSync(draft, configFile)
    closed.keep()
    const seconds = (performance.now() - began) / 1_000
    log.warn('the database was moved: start hkd, doors and api again', { ...moved, seconds })
    return { ...moved, seconds }
  } finally {
    rmSync(draft, { force: true })
  }
}

function notMoved(cause: unknown): Fault {
  const said = cause instanceof Error ? cause.message : String(cause)
  const reason = cause instanceof Fault ? String(cause.detail['reason'] ?? said) : said
  return new Fault('move.failed', { reason }, { cause })
}

/** What is to be done now. */
export function sayMoved({ tables, rows, seconds }: Awaited<ReturnType<typeof moveDatabase>>): string {
  return `${tables} tables with ${rows} rows were moved and compared; nothing could be written for ${seconds.toFixed(1)} s.
Start hkd, doors and api again now: systemctl restart ostler-hkd ostler-l7r ostler-api
When all is well, PostgreSQL here is not needed any more: systemctl stop ostler-postgres`
}

function writeDraft(draft: string, configFile: string, linesFile: string): void {
  let lines: string
  try {
    lines = readFileSync(linesFile, 'utf8')
  } catch (cause) {
    throw new Fault('config.invalid', { problems: `${linesFile}: ${(cause as Error).message}` }, { cause })
  }
  const about = '# Where the database is: added when it was moved.'
  const text = `${readFileSync(configFile, 'utf8').trimEnd()}\n\n${about}\n${lines.trimEnd()}\n`
  const { mode, uid, gid } = statSync(configFile)
  writeWhole(draft, text, { mode: mode & 0o777, owner: { uid, gid } })
}

/** @throws Fault `move.notEmpty`, `database.unavailable`. */
async function requireEmpty(config: NodeValues): Promise<void> {
  const { size } = await readContents(remoteAddress(config, ROLES.hkd))
  if (size > 0)
    throw new Fault('move.notEmpty', { database: config['database.name'], host: config['database.host'] })
}

function targetOf(config: NodeValues): MoveTarget {
  const role = ROLES.hkd
  return {
    address: remoteAddress(config, role),
    env: {
      ...DEFAULT_ENV,
      PGHOST: config['database.host'],
      PGPORT: String(config['database.port']),
      PGUSER: role,
      PGPASSWORD: rolePasswords(config)[role] ?? '',
      PGSSLMODE: config['database.sslmode'],
      PGSSLROOTCERT: config['database.sslrootcert'] ?? SYSTEM_AUTHORITIES,
    },
  }
}
