import { DEFAULT_CLIENT_OPTIONS, parseClientOptions } from '@ostler/contract/client-options.ts'
import { parsePorts } from '@ostler/contract/slave-port-list.ts'
import { flag, integer, oneOf, optional, type Option, program, secret, text } from '@ostler/kit/config.ts'
import type { Config, Values } from '@ostler/kit/config.ts'
import { VIEWER_DISPLAYS } from '../viewers.ts'

const { geometry } = DEFAULT_CLIENT_OPTIONS

/**
 * Every key of `client.conf` that the client heeds: QVD's (section 7.6.1 of its manual, compatibility page 10.2), then
 * ours. The command line and the environment say the same keys in other words.
 */
export const CLIENT_OPTIONS = {
  'client.host.name': optional(text('the server')),
  'client.host.port': integer('its port', 8443, 1, 65_535),
  'client.use_ssl': flag('speak TLS; 0 sends the password so that everybody on the way can read it', true),
  'client.user.name': optional(text('your name there; empty: the one remembered for this server, or asked')),
  'client.user.password': secret(
    'your password, which is better kept in the keyring; only in a file that nobody else may read',
    '',
  ),
  'client.remember_username': flag('remember the name that you signed in with', true),
  'client.remember_password': flag('keep the password in the keyring once you have signed in with it', false),
  'client.show.remember_password': flag('let the settings page offer to keep the password', false),
  'client.show.settings': flag('let `ostler settings` open', true),
  'client.link': nxValue(
    'link',
    'your line: modem, isdn, adsl, wan, lan, local or a bandwidth such as 256k',
    DEFAULT_CLIENT_OPTIONS.link,
  ),
  'client.geometry': size('size of the window; empty: full screen', `${geometry.width}x${geometry.height}`),
  'client.fullscreen': flag('fill the screen', false),
  'client.force.host.name': optional(text('the only server that may be used')),
  'client.force.link': optional(nxValue('link', 'the line, whatever anybody says', '')),
  'client.auto_connect': flag('`ostler` alone connects at once', false),
  'client.auto_connect.vm_id': optional(integer('the desktop, by its number', 1, 1, 999_999_999)),
  'client.auto_connect.token': secret('a token instead of name and password', ''),
  'client.kill_vm.display': flag('let the settings page offer to restart the desktop first', true),
  'client.nxproxy.extra_args': text('more arguments for nxproxy, separated by blanks', ''),
  'client.nxagent.extra_args': text(
    'more options for nxagent in the desktop, `key=value` separated by commas',
    '',
  ),
  'client.client.ssl-errors': oneOf(
    'a certificate that nobody vouches for: ask, continue (trust it when it is seen first), or abort',
    ['ask', 'continue', 'abort'],
    'ask',
  ),
  'client.ssl.allow_untrusted': flag(
    'such a certificate may be trusted although no authority signed it',
    true,
  ),
  'client.ssl.allow_bad_host': flag('… although it is for another name', true),
  'client.ssl.allow_expired': flag('… although it has expired', true),
  'client.ssl.allow_not_yet_valid': flag('… although it is not valid yet', true),
  'client.ssl.allow_revoked': flag('… although it was revoked', false),
  'client.ssl.allow_unknown_error': flag('… whatever else is wrong with it', true),
  'client.ssl.use_cert': flag('show a certificate of your own to the server', false),
  'client.ssl.cert_file': optional(text('that certificate, PEM')),
  'client.ssl.key_file': optional(text('its key, PEM')),
  'client.auth_env_share.enable': flag(
    'tell the server the environment variables of client.auth_env_share.list.N',
    false,
  ),
  'command.nxproxy': program('the NX proxy', 'nxproxy'),

  'client.ssl.ca_file': optional(text('authorities besides those of the system, PEM')),
  'client.keyboard': nxValue(
    'keyboard',
    'model and layout of your keyboard',
    DEFAULT_CLIENT_OPTIONS.keyboard,
  ),
  'client.desktop': optional(text('name or number of the desktop, if you have several')),
  'client.display': oneOf('how to see it', ['nx', ...VIEWER_DISPLAYS], 'nx'),
  'client.viewer': optional(text('the viewer for vnc, spice or rdp; empty: the first that is there')),
  'client.printing.enable': flag('let desktops print to your printers', true),
  'client.printing.printers': text('to these only, separated by commas; empty: to all', ''),
  'client.printing.channel': oneOf(
    "the way of the printers: cups, a channel of their own, or slave, the slave channel, as QVD 4's client for Windows",
    ['cups', 'slave'],
    'cups',
  ),
  'client.file_sharing.enable': flag(
    'share the folders of client.share.N with every desktop, and mount those of client.mount.N',
    true,
  ),
  'client.sshfs.extra_args': text('more arguments for sshfs, separated by blanks', ''),
  'command.sshfs': program('mounts folders of a desktop here', 'sshfs'),
  'client.audio.enable': flag('let desktops play sound', true),
  'client.audio.microphone.enable': flag('let desktops hear your microphone, with sound', false),
  'client.slave.enable': flag('have a slave channel when something needs one', true),
  'client.slave.ports': {
    default: '',
    summary: 'ports of this computer that desktops may reach, as 3240,8000-8010',
    parse: parsePorts,
  },
  'client.open.enable': {
    default: '',
    summary: 'what desktops may have opened here: links, documents, or both by a comma',
    parse: parseKinds,
  },
  'client.open.extensions': text(
    'names of documents that may be opened end with one of these',
    'pdf,png,jpg,jpeg,gif,webp,txt,csv,odt,ods,odp,docx,xlsx,pptx',
  ),
  'command.open_file': program('opens a link or a document', 'xdg-open'),
  'client.reconnect.seconds': integer('so long a line that was cut is tried again; 0: never', 600, 0, 86_400),
  'client.kiosk.pause': integer('seconds between two sessions of `ostler kiosk`', 3, 1, 3_600),
} as const satisfies Readonly<Record<string, Option<unknown>>>

export type ClientConfig = Config<typeof CLIENT_OPTIONS>
export type ClientValues = Values<typeof CLIENT_OPTIONS>
export type ClientKey = keyof typeof CLIENT_OPTIONS

function nxValue(name: 'link' | 'keyboard', summary: string, fallback: string): Option<string> {
  return {
    default: fallback,
    summary,
    parse: (value) => {
      requireParameter(name, value, `is no ${name}`)
      return value
    },
  }
}

function size(summary: string, fallback: string): Option<string | undefined> {
  return {
    default: fallback,
    summary,
    parse: (value) => {
      if (value === '') return undefined
      requireParameter('geometry', value, 'is no size such as 1024x768')
      return value
    },
  }
}

function requireParameter(name: string, value: string, problem: string): void {
  try {
    parseClientOptions(new Map([[`qvd.client.${name}`, value]]))
  } catch (cause) {
    throw new Error(problem, { cause })
  }
}

const OPEN_KINDS = ['links', 'documents'] as const

function parseKinds(said: string): ReadonlySet<(typeof OPEN_KINDS)[number]> {
  const words = said.split(/[\s,]+/).filter((word) => word !== '' && word !== '0')
  const kinds = words.map((word) => {
    const kind = OPEN_KINDS.find((each) => each === word)
    if (kind === undefined) throw new Error(`may only say ${OPEN_KINDS.join(' and ')}`)
    return kind
  })
  return new Set(kinds)
}
