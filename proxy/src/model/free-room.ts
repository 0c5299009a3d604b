/** What a file system has left, as statfs tells it. */
export interface FileSystemRoom {
  readonly freeBytes: number
  readonly totalBytes: number
  readonly freeInodes: number
  /** 0 where a file system does not count them. */
  readonly totalInodes: number
}

/** What must be left for a desktop to start. */
export interface Reserve {
  /** `storage.reserve.mb` */
  readonly megabytes: number
  /** `storage.reserve.percent`, of bytes and of inodes. */
  readonly percent: number
}

const MB = 2 ** 20

/**
 * Says what a file system lacks, or `undefined`. A file system that is smaller than the reserve is judged by the percentage
 * alone: it was made so.
 */
export function lackOfRoom(room: FileSystemRoom, { megabytes, percent }: Reserve): string | undefined {
  const floor = room.totalBytes > megabytes * MB * 2 ? megabytes * MB : 0
  const needed = Math.max(floor, (room.totalBytes * percent) / 100)
  if (room.freeBytes < needed)
    return `${Math.floor(room.freeBytes / MB)} MB are free there, ${Math.ceil(needed / MB)} must be`
  const inodes = Math.ceil((room.totalInodes * percent) / 100)
  if (room.totalInodes > 0 && room.freeInodes < inodes)
    return `${room.freeInodes} inodes are free there, ${inodes} must be`
  return undefined
}
