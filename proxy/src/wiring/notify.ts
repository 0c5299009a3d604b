import { Fault } from '@ostler/contract/fault.ts'
import { integer, oneOf, optional, path, text } from '@ostler/kit/config.ts'
import type { Log } from '@ostler/kit/log.ts'
import { mailer } from '../hkd/notice/mail.ts'
import { Notifier } from '../hkd/notice/notifier.ts'
import { webhook } from '../hkd/notice/webhook.ts'
import { NOTICE_KINDS, type NoticeKind } from '../model/notice.ts'
import type { Db } from '../store/open.ts'
import { httpAddress } from './http-address.ts'
import type { NodeValues } from './node-config.ts'

/** Keys about how administrators are told of what happens (docs/health.md). */
export const NOTIFY_OPTIONS = {
  'notify.on': {
    default: NOTICE_KINDS.join(','),
    summary: `of what administrators are told, by commas: ${NOTICE_KINDS.join(', ')}`,
    parse: parseKinds,
  },
  'notify.every': integer('seconds from one message to the next; what comes meanwhile is one', 60, 1, 86_400),
  'notify.keep.days': integer('days after which what could not be told is given up', 3, 1, 365),
  'notify.mail.host': text('SMTP server by which administrators are told; empty: no mail', ''),
  'notify.mail.port': integer('its port', 587, 1, 65_535),
  'notify.mail.tls': oneOf(
    'starttls: refused without it; implicit: TLS from the first byte; none',
    ['starttls', 'implicit', 'none'],
    'starttls',
  ),
  'notify.mail.ca': optional(path('authorities for its certificate; empty: those of the system')),
  'notify.mail.user': text('who signs in there; empty: nobody', ''),
  'notify.mail.password_file': optional(path("file with the password, root's alone")),
  'notify.mail.from': text('sender', 'ostler@${nodename}'),
  'notify.mail.to': { default: '', summary: 'who gets the mail, by commas', parse: parseAddresses },
  'notify.webhook.url': {
    default: '',
    summary: 'address to which notices are posted as JSON; empty: nowhere',
    parse: httpAddress,
  },
  'notify.webhook.secret_file': optional(path("file with the key that signs them, root's alone")),
  'notify.webhook.ca': optional(path('authorities for its certificate; empty: those of the system')),
} as const

/** Tells administrators of what happens on any node. @throws Fault `config.invalid`. */
export function keepNotices(config: NodeValues, db: Db, log: Log): Notifier {
  const node = config['nodename']
  const host = config['notify.mail.host']
  const to = config['notify.mail.to']
  if (host !== '' && to.length === 0)
    throw new Fault('config.invalid', {
      problems: 'notify.mail.host is set: notify.mail.to must say who gets it',
    })
  const url = config['notify.webhook.url']
  const mail = {
    node,
    host,
    port: config['notify.mail.port'],
    tls: config['notify.mail.tls'],
    ca: config['notify.mail.ca'],
    user: config['notify.mail.user'],
    passwordFile: config['notify.mail.password_file'],
    from: config['notify.mail.from'],
    to,
  } as const
  const hook = { node, secretFile: config['notify.webhook.secret_file'], ca: config['notify.webhook.ca'] }
  return new Notifier({
    db,
    channels: {
      ...(host === '' ? {} : { mail: mailer(mail) }),
      ...(url === undefined ? {} : { webhook: webhook({ ...hook, url }) }),
    },
    kinds: config['notify.on'],
    everyMs: config['notify.every'] * 1_000,
    keepDays: config['notify.keep.days'],
    log,
  })
}

function words(list: string): string[] {
  return list
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
}

function parseKinds(list: string): readonly NoticeKind[] {
  return words(list).map((word) => {
    const kind = NOTICE_KINDS.find((known) => known === word)
    if (kind === undefined) throw new Error(`${word} is none of ${NOTICE_KINDS.join(', ')}`)
    return kind
  })
}

function parseAddresses(list: string): readonly string[] {
  return words(list).map((word) => {
    if (!/^[^\s@<>,"]{1,64}@[^\s@<>,"]{1,255}$/.test(word)) throw new Error(`${word} is no mail address`)
    return word
  })
}
