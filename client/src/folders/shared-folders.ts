import { Fault } from '@ostler/contract/fault.ts'
import type { OpenedFolder } from '@ostler/contract/folder-stream.ts'
import { setTimeout as delay } from 'node:timers/promises'
import type { ServedFolder } from './serve-folder.ts'
import type { WantedShare } from './wanted-share.ts'

/** One folder as the user sees it. */
export interface ShareItem extends OpenedFolder {
  readonly path: string
  /** False while its line is broken and being made anew. */
  readonly there: boolean
}

interface SharingParts {
  /** Serves one folder to the desktop until either end goes or the signal aborts. @throws Fault. */
  readonly serve: (share: WantedShare, signal: AbortSignal) => Promise<ServedFolder>
  /** A line for the user. */
  readonly tell: (line: string) => void
}

interface Kept {
  readonly share: WantedShare
  readonly abort: AbortController
  opened: OpenedFolder
  there: boolean
  /** Until it is given up. */
  life: Promise<void>
}

const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 15_000

/** The folders that one open desktop has of this machine. One whose line breaks is shared again. */
export class SharedFolders implements AsyncDisposable {
  readonly #parts: SharingParts
  readonly #kept = new Map<string, Kept>()

  constructor(parts: SharingParts) {
    this.#parts = parts
  }

  /**
   * Shares a folder; it stands in the desktop when this resolves.
   * @throws Fault as the server or the desktop says; `folder.unusable` when it is shared already.
   */
  async add(share: WantedShare): Promise<OpenedFolder> {
    if (this.#kept.has(share.path))
      throw new Fault('folder.unusable', { path: share.path, reason: 'it is shared already' })
    const abort = new AbortController()
    const unknown = { name: share.name, place: '', readOnly: share.readOnly }
    const kept: Kept = { share, abort, opened: unknown, there: false, life: Promise.resolve() }
    this.#kept.set(share.path, kept)
    try {
      const served = await this.#serve(kept)
      kept.life = this.#keep(kept, served)
      return kept.opened
    } catch (error) {
      this.#kept.delete(share.path)
      throw error
    }
  }

  /** Takes a folder back, by its name in the desktop or its path here. @throws Fault `folder.unusable`. */
  async remove(word: string): Promise<void> {
    const found = [...this.#kept.values()].find(
      ({ share, opened }) => share.path === word || opened.name === word,
    )
    if (found === undefined) throw new Fault('folder.unusable', { path: word, reason: 'it is not shared' })
    found.abort.abort()
    await found.life
  }

  list(): ShareItem[] {
    return [...this.#kept.values()].map(({ share, opened, there }) => ({
      ...opened,
      path: share.path,
      there,
    }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#kept.values()]
    for (const { abort } of all) abort.abort()
    await Promise.all(all.map(({ life }) => life))
  }

  async #serve(kept: Kept): Promise<ServedFolder> {
    const { share, abort } = kept
    const served = await this.#parts.serve(share, abort.signal)
    kept.opened = served.opened
    kept.there = true
    return served
  }

  /** Looks after a folder until the user takes it back, or nobody will have it any more. Never rejects. */
  async #keep(kept: Kept, first: ServedFolder): Promise<void> {
    const { share, abort } = kept
    const { tell } = this.#parts
    let served: ServedFolder | undefined = first
    while (served !== undefined) {
      const why: Fault | undefined = await served.ended
      kept.there = false
      if (why !== undefined) tell(`${share.path}: ${printable(why.message)}; sharing it again.`)
      served = why === undefined ? undefined : await this.#again(kept)
      if (served !== undefined) tell(`${share.path} is shared again as ${printable(kept.opened.place)}.`)
    }
    abort.abort()
    this.#kept.delete(share.path)
  }

  /** Tries until it stands again; `undefined` when it never will. */
  async #again(kept: Kept): Promise<ServedFolder | undefined> {
    const { signal } = kept.abort
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        await delay(pause, undefined, { signal })
        return await this.#serve(kept)
      } catch (error) {
        if (signal.aborted) return undefined
        if (!(error instanceof Fault) || mayPass(error)) continue
        this.#parts.tell(`${kept.share.path} is not shared any more: ${printable(error.message)}.`)
        return undefined
      }
    }
  }
}

/** What another moment may mend: no refusal, and nothing that is wrong with the folder itself. A name may be its own of before. */
function mayPass({ status, code }: Fault): boolean {
  return code === 'folder.taken' || (status >= 500 && code !== 'folder.unavailable')
}

/** What an agent says is shown on a terminal, which obeys control characters. */
function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ')
}
