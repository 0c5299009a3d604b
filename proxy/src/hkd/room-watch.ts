import type { Log } from '@ostler/kit/log.ts'
import { type FolderRoom, roomOf } from '../hypervisor/storage/checks.ts'
import type { Reserve } from '../model/free-room.ts'

const TICK_MS = 10_000
/** Many desktops that start at once ask once. */
const FRESH_MS = 500

/** Watches the room below the storage folders: where it runs short no new desktop starts, and the log says so once. */
export class RoomWatch implements Disposable {
  readonly #folders: Readonly<Record<string, string>>
  readonly #reserve: Reserve
  readonly #log: Log
  readonly #timer: NodeJS.Timeout
  readonly #lacking = new Set<string>()
  #seen: readonly FolderRoom[] = []
  #seenAt = -Infinity

  /** @param folders by their names in the configuration. */
  constructor(folders: Readonly<Record<string, string>>, reserve: Reserve, log: Log) {
    this.#folders = folders
    this.#reserve = reserve
    this.#log = log
    this.#timer = setInterval(() => this.look(), TICK_MS)
    this.look()
  }

  /** What each folder's file system has left. */
  look(): readonly FolderRoom[] {
    if (performance.now() - this.#seenAt < FRESH_MS) return this.#seen
    try {
      this.#seen = roomOf(this.#folders, this.#reserve)
    } catch (error) {
      this.#log.warn('the storage could not be looked at', { error })
    }
    this.#seenAt = performance.now()
    for (const { name, path, lack } of this.#seen) {
      if (lack === undefined && this.#lacking.delete(name))
        this.#log.info('there is room again', { name, path })
      else if (lack !== undefined && !this.#lacking.has(name)) {
        this.#lacking.add(name)
        this.#log.error('the storage is full: no new desktop starts, those that run are in danger', {
          ...{ name, path, lack },
        })
      }
    }
    return this.#seen
  }

  /** Why no desktop starts here now, in words. */
  holds(): string | undefined {
    const short = this.look().find(({ lack }) => lack !== undefined)
    return short === undefined ? undefined : `there is no room in ${short.path}: ${short.lack ?? ''}`
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
