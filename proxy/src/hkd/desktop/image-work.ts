import type { Gate } from '@ostler/kit/gate.ts'
import type { Log } from '@ostler/kit/log.ts'

export interface ImageWorkSettings {
  /** How many images are worked on at once (`internal.hkd.max_heavy`). */
  readonly gate: Gate
  readonly log: Log
  /** Called when the work on an image that a desktop waits for has ended; the reason when it failed. */
  readonly onEnd: (desktop: number, failure: string | undefined) => Promise<void>
}

/**
 * Long work on disk images, such as unpacking, ahead of the starts that need it: it takes none of their places, each image
 * is worked on once however many desktops wait, and a few images at once.
 */
export class ImageWork {
  readonly #settings: ImageWorkSettings
  /** Of each image under way, the desktops that wait for it. */
  readonly #underWay = new Map<string, Set<number>>()

  constructor(settings: ImageWorkSettings) {
    this.#settings = settings
  }

  /** Begins the work, or joins it when it is under way. */
  begin(image: string, desktop: number, work: () => Promise<void>): void {
    const known = this.#underWay.get(image)
    if (known !== undefined) return void known.add(desktop)
    const desktops = new Set([desktop])
    this.#underWay.set(image, desktops)
    const { gate, log, onEnd } = this.#settings
    log.info('image work begins', { image })
    // Whoever looks before all are told would begin it again.
    const end = async (failure?: string): Promise<void> => {
      await Promise.all([...desktops].map((id) => onEnd(id, failure)))
      this.#underWay.delete(image)
    }
    gate
      .pass(work, () => new Error('too many images wait'))
      .then(
        async () => {
          log.info('image work ended', { image })
          await end()
        },
        async (error: unknown) => {
          log.error('image work failed', { image, error })
          await end(error instanceof Error ? error.message : String(error))
        },
      )
  }
}
