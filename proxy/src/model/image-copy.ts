/** How an image that was added from the staging folder stands on a node. */
export const IMAGE_STATES = ['new', 'copying', 'ready', 'broken', 'removed'] as const
export type ImageState = (typeof IMAGE_STATES)[number]

/** How the bringing of an image stands. */
export interface ImageProgress {
  readonly state: ImageState
  readonly bytesDone: number
  /** 0: not known. */
  readonly bytes: number
  /** Why it is as it is, where that is not plain. */
  readonly reason: string | null
}

/** Percent that are done. */
export function percentOf({
  bytesDone,
  bytes,
}: Pick<ImageProgress, 'bytesDone' | 'bytes'>): number | undefined {
  return bytes === 0 ? undefined : Math.floor((Math.min(bytesDone, bytes) / bytes) * 100)
}

/** Why a desktop cannot start from an image yet; `undefined` when it can, or never will. */
export function imageHolds(name: string, progress: ImageProgress): string | undefined {
  switch (progress.state) {
    case 'new':
      return `the disk image ${name} waits to be copied${progress.reason === null ? '' : `: ${progress.reason}`}`
    case 'copying': {
      const percent = percentOf(progress)
      return `the disk image ${name} is being copied${percent === undefined ? '' : `, ${percent} %`}`
    }
    case 'ready':
    case 'broken':
    case 'removed':
      return undefined
  }
}
