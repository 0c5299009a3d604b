import type { Log } from '@ostler/kit/log.ts'
import { type FolderRoom, roomOf } from '../hypervisor/storage/file-systems.ts'
import type { Reserve } from '../model/free-room.ts'

const TICK_MS = 2_000
/** A storage that does not answer for so long is not there: a server that is away, say. */
const SILENT_MS = 5_000

/**
 * Watches the file systems of the storage folders: where one is full or read-only no new desktop starts, and the log says so once. It
 * never waits for a storage: it tells what was seen last.
 */
export class RoomWatch implements Disposable {
  /** What each folder's file system had left. */
  rooms: readonly FolderRoom[] = []
  readonly #folders: Readonly<Record<string, string>>
  readonly #reserve: Reserve
  readonly #log: Log
  readonly #timer: NodeJS.Timeout
  readonly #lacking = new Set<string>()
  /** Since when an answer is waited for. */
  #asked: number | undefined

  /** @param folders by their names in the configuration. */
  constructor(folders: Readonly<Record<string, string>>, reserve: Reserve, log: Log) {
    this.#folders = folders
    this.#reserve = reserve
    this.#log = log
    this.#timer = setInterval(() => void this.look(), TICK_MS)
    void this.look()
  }

  /** Looks, unless a look is under way. */
  async look(): Promise<void> {
    if (this.#asked !== undefined) return
    this.#asked = performance.now()
    try {
      this.rooms = await roomOf(this.#folders, this.#reserve)
    } catch (error) {
      this.#log.warn('the storage could not be looked at', { error })
    }
    this.#asked = undefined
    for (const { name, path, lack } of this.rooms) this.#tell(name, path, lack)
  }

  /** Why no desktop starts here now, in words. */
  holds(): string | undefined {
    if (this.#asked !== undefined && performance.now() - this.#asked > SILENT_MS)
      return 'the storage does not answer'
    const short = this.rooms.find(({ lack }) => lack !== undefined)
    return short === undefined ? undefined : `the storage folder ${short.path}: ${short.lack ?? ''}`
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #tell(name: string, path: string, lack: string | undefined): void {
    if (lack === undefined) {
      if (this.#lacking.delete(name)) this.#log.info('the storage lacks nothing again', { name, path })
    } else if (!this.#lacking.has(name)) {
      this.#lacking.add(name)
      const message = 'the storage: no new desktop starts, those that run are in danger'
      this.#log.error(message, { name, path, lack })
    }
  }
}
