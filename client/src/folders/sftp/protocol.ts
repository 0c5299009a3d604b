/** Numbers of SFTP version 3 (draft-ietf-secsh-filexfer-02). */
export const VERSION = 3

/** What is asked for. */
export const ASK = {
  init: 1,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  lstat: 7,
  fstat: 8,
  setstat: 9,
  fsetstat: 10,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  rmdir: 15,
  realpath: 16,
  stat: 17,
  rename: 18,
  readlink: 19,
  symlink: 20,
  extended: 200,
} as const

/** What is answered. */
export const SAY = {
  version: 2,
  status: 101,
  handle: 102,
  data: 103,
  name: 104,
  attrs: 105,
  extendedReply: 201,
} as const

export const STATUS = {
  ok: 0,
  eof: 1,
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  badMessage: 5,
  unsupported: 8,
  /** Of a later version, which sshfs shows as an input/output error; `failure` would be "not permitted". */
  noSpace: 14,
} as const
export type Status = (typeof STATUS)[keyof typeof STATUS]

/** Bits of the flags with which a file is opened. */
export const OPEN_FLAG = { read: 1, write: 2, append: 4, create: 8, truncate: 16, exclusive: 32 } as const

/** Bits that say which attributes follow. */
export const ATTR_FLAG = { size: 1, owner: 2, permissions: 4, times: 8, extended: 0x80000000 } as const

/** Longest packet either way, as OpenSSH's; sshfs itself takes no answer longer than 128 KiB. */
export const MAX_PACKET = 256 * 1024
/** Most bytes of a file in one answer, and of names in another. */
export const MAX_DATA = 100_000

/** A failure that is told to whoever asked, by a number. */
export class Refusal extends Error {
  readonly status: Status

  constructor(status: Status) {
    super(`SFTP status ${status}`)
    this.status = status
  }
}

const STATUS_OF: Readonly<Record<string, Status>> = {
  ENOENT: STATUS.noSuchFile,
  ENOTDIR: STATUS.noSuchFile,
  ELOOP: STATUS.noSuchFile,
  EACCES: STATUS.permissionDenied,
  EPERM: STATUS.permissionDenied,
  EROFS: STATUS.permissionDenied,
  ENOSPC: STATUS.noSpace,
  EDQUOT: STATUS.noSpace,
  ENOTSUP: STATUS.unsupported,
  ENOSYS: STATUS.unsupported,
}

/** The number for whatever went wrong. */
export function statusOf(error: unknown): Status {
  if (error instanceof Refusal) return error.status
  return STATUS_OF[(error as NodeJS.ErrnoException).code ?? ''] ?? STATUS.failure
}
