import type { Account } from '@ostler/kit/passwd.ts'
import type { ProcessIdentity } from '@ostler/kit/process-table.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** What an agent that was restarted must know to find the running session again. */
export interface SessionRecord {
  readonly account: Account
  /** xinit: it lives exactly as long as the session. */
  readonly root: ProcessIdentity
  /** Left over from a seed that was under way. */
  readonly seed: readonly ProcessIdentity[]
}

/** The files of the session, all below one folder of root's. */
export interface SessionFiles {
  readonly log: string
  readonly options: string
  readonly authority: string
  read(): SessionRecord | undefined
  write(record: SessionRecord): void
  /** Forgets the session; the log stays until the next one begins. */
  forget(): void
}

/** @param folder `path.run`; made when missing. */
export function sessionFiles(folder: string): SessionFiles {
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const record = join(folder, 'session.json')
  return {
    log: join(folder, 'nxagent.log'),
    options: join(folder, 'nxagent.conf'),
    authority: join(folder, 'Xauthority'),
    read: () => {
      try {
        return JSON.parse(readFileSync(record, 'utf8')) as SessionRecord
      } catch {
        return undefined // none was written, or the machine died while it was: then no process lives either
      }
    },
    write: (value) => {
      writeWhole(record, JSON.stringify(value), { mode: 0o600 })
    },
    forget: () => rmSync(record, { force: true }),
  }
}
