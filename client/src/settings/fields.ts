import { CLIENT_OPTIONS, type ClientConfig, type ClientKey } from '../config/options.ts'

/** One setting on the page. */
export interface Field {
  readonly key: ClientKey
  readonly label: string
  readonly kind: 'text' | 'number' | 'flag' | readonly string[]
}

/** What the page shows; everything else is for the file. */
const FIELDS: readonly Field[] = [
  { key: 'client.host.name', label: 'Server', kind: 'text' },
  { key: 'client.host.port', label: 'Port', kind: 'number' },
  { key: 'client.user.name', label: 'Your name', kind: 'text' },
  { key: 'client.remember_username', label: 'Remember my name', kind: 'flag' },
  { key: 'client.remember_password', label: 'Keep my password in the keyring', kind: 'flag' },
  { key: 'client.desktop', label: 'Desktop', kind: 'text' },
  { key: 'client.display', label: 'Shown by', kind: ['nx', 'vnc', 'spice', 'rdp'] },
  { key: 'client.geometry', label: 'Size of the window', kind: 'text' },
  { key: 'client.fullscreen', label: 'Full screen', kind: 'flag' },
  { key: 'client.link', label: 'Line', kind: 'text' },
  { key: 'client.keyboard', label: 'Keyboard', kind: 'text' },
]
/** Keys that are fixed while another one is set. */
const FORCED: Partial<Readonly<Record<ClientKey, ClientKey>>> = {
  'client.host.name': 'client.force.host.name',
  'client.link': 'client.force.link',
}

/** A field as it stands. */
export interface Standing extends Field {
  readonly value: string
  /** Why it cannot be changed here; `undefined` when it can. */
  readonly fixed: string | undefined
  readonly hint: string
}

/** The fields of the page, as the configuration has them. */
export function fieldsOf(config: ClientConfig): Standing[] {
  const offersPassword = config.values['client.show.remember_password']
  return FIELDS.filter(({ key }) => key !== 'client.remember_password' || offersPassword).map((field) => {
    const force = FORCED[field.key]
    const forced = force !== undefined && config.values[force] !== undefined ? force : undefined
    return {
      ...field,
      value: config.text(forced ?? field.key),
      fixed: forced === undefined ? undefined : `fixed by ${config.origin(forced)}`,
      hint: CLIENT_OPTIONS[field.key].summary,
    }
  })
}

/**
 * What a form says that was sent, by key: what differs from the present values and may be changed.
 * @param form an unticked flag is not in it.
 */
export function changesIn(
  fields: readonly Standing[],
  form: ReadonlyMap<string, string>,
): Partial<Record<ClientKey, string>> {
  const changes: Partial<Record<ClientKey, string>> = {}
  for (const { key, kind, value, fixed } of fields) {
    const said = kind === 'flag' ? (form.has(key) ? '1' : '0') : (form.get(key) ?? value).trim()
    const stands = kind === 'flag' ? (value === '1' ? '1' : '0') : value
    if (fixed === undefined && said !== stands) changes[key] = said
  }
  return changes
}
