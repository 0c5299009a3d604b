/** What administrators may be told of. */
export const NOTICE_KINDS = ['failure', 'provision', 'expiry'] as const
export type NoticeKind = (typeof NOTICE_KINDS)[number]

/** How they are told. */
export type NoticeChannel = 'mail' | 'webhook'
