import { writeWhole } from '@ostler/kit/write-file.ts'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Pairs } from '../hooks/run-hook.ts'
import type { XAgentRecord } from './x-agent.ts'

/** What an agent that was restarted must know to go on with the running session. */
export interface SessionRecord<Agent = XAgentRecord> {
  readonly agent: Agent
  /** Counts the sessions of this boot. */
  readonly session: number
  /** The last state whose hook was run; empty before the first. */
  readonly announced: string
  /** The parameters of the session, for hooks. */
  readonly pairs: Pairs
}

/** Keeps the record of the running session, below one folder of root's. */
export interface SessionRecords<Agent = XAgentRecord> {
  read(): SessionRecord<Agent> | undefined
  write(record: SessionRecord<Agent>): void
  forget(): void
}

/** Counts the sessions of this boot, whichever agent begins them. */
export interface SessionNumbers {
  /** The number of the last session; 0 before the first. */
  last(): number
  /** Takes the number of a new one. */
  next(): number
}

/** @param folder `path.run`; it must exist. */
export function sessionNumbers(folder: string): SessionNumbers {
  const file = join(folder, 'session.number')
  const last = (): number => {
    try {
      return Number(/^\d+$/.exec(readFileSync(file, 'utf8'))?.[0] ?? 0)
    } catch {
      return 0
    }
  }
  return {
    last,
    next: () => {
      const number = last() + 1
      writeWhole(file, String(number), { mode: 0o600 })
      return number
    },
  }
}

/** @param folder `path.run`; made when missing. */
export function sessionRecords<Agent = XAgentRecord>(folder: string): SessionRecords<Agent> {
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const file = join(folder, 'session.json')
  return {
    read: () => {
      try {
        return JSON.parse(readFileSync(file, 'utf8')) as SessionRecord<Agent>
      } catch {
        return undefined // none was written, or the machine died while it was: then no process lives either
      }
    },
    // Parameters may hold the slave channel's key.
    write: (value) => writeWhole(file, JSON.stringify(value), { mode: 0o600 }),
    forget: () => rmSync(file, { force: true }),
  }
}
