import { writeWhole } from '@ostler/kit/write-file.ts'
import { readFileSync } from 'node:fs'
import type { Server } from './trust.ts'

/** Names that were signed in with, one `host:port name` a line, so that nobody types hers every morning. */
export class KnownUsers {
  readonly #file: string

  constructor(file: string) {
    this.#file = file
  }

  /** Who signed in at this server last. */
  at(server: Server): string | undefined {
    return this.#read().get(placeOf(server))
  }

  /** Remembers her; that it could not be written stops nobody. */
  remember(server: Server, user: string): void {
    const known = this.#read()
    if (known.get(placeOf(server)) === user || /[\r\n]/.test(user)) return
    known.set(placeOf(server), user)
    const lines = [...known].map(([place, name]) => `${place} ${name}\n`)
    try {
      writeWhole(this.#file, lines.join(''), { mode: 0o600, folderMode: 0o700 })
    } catch {
      // a home that cannot be written to
    }
  }

  #read(): Map<string, string> {
    try {
      const lines = readFileSync(this.#file, 'utf8').split('\n').filter(Boolean)
      return new Map(
        lines.map((line): [string, string] => {
          const blank = line.indexOf(' ')
          return [line.slice(0, blank), line.slice(blank + 1)]
        }),
      )
    } catch {
      return new Map()
    }
  }
}

function placeOf({ host, port }: Server): string {
  return `${host}:${port}`
}
