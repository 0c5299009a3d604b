import type { FaultCode, FaultDetail } from '@ostler/contract/fault.ts'
import { DISPLAY_KINDS, type DisplayKind } from '@ostler/contract/identity.ts'
import type { ClipboardWay, FolderAccess } from '@ostler/contract/session-policy.ts'
import type { AddressRanges } from './address-ranges.ts'
import { VIEWER } from './display.ts'
import type { UserRole } from './user.ts'

/** What rules say about a session. */
export interface PolicySays {
  /** Whether she may use the desktop at all. */
  readonly use: boolean
  /** The displays that she may open it with. */
  readonly displays: readonly DisplayKind[]
  readonly clipboard: ClipboardWay
  readonly folders: {
    readonly access: FolderAccess
    /** Folders of hers that may be shared, with what is below them; empty: all. */
    readonly roots: readonly string[]
  }
  /** Whether her client may reach ports of the desktop. */
  readonly ports: boolean
  readonly printing: boolean
  readonly audio: boolean
  readonly usb: boolean
  /** How many desktops a power user may have and still make another one. */
  readonly quota: number
}

/** Whom and what a rule is about: all that is given must hold. */
interface About {
  readonly tenantId: number
  readonly user: string
  readonly group: string
  readonly role: UserRole
  readonly flavour: string
  /** A desktop's name. */
  readonly desktop: string
  readonly from: AddressRanges
}

/** One rule of an administrator. What is not given is not asked for, or not said. */
export interface PolicyRule {
  readonly name: string
  readonly about: Partial<About>
  readonly says: Partial<PolicySays>
}

/** What somebody wants of a desktop. */
export type PolicyWish =
  | { readonly kind: 'list' }
  | { readonly kind: 'open'; readonly display: DisplayKind }
  | { readonly kind: 'stop' }
  /** Seeing a session of somebody else, who is asked first. */
  | { readonly kind: 'look on' }
  /** Having folders of her own machine in it. */
  | { readonly kind: 'share' }
  /** Having USB devices of her own machine in it. */
  | { readonly kind: 'share usb' }
  /** Making a desktop of her own, when she has `owned` already. */
  | { readonly kind: 'create'; readonly owned: number }

/** Who wants what of which desktop, from where. */
export interface Circumstances {
  readonly guest: {
    readonly id: number
    readonly login: string
    readonly tenantId: number
    readonly role: UserRole
    readonly groups: readonly string[]
  }
  /** For a desktop that is to be made: what it would be. */
  readonly desktop: {
    readonly name: string
    readonly ownerId: number
    readonly tenantId: number
    readonly flavour: string
    readonly blocked: boolean
  }
  /** What a sign-in plugin says about whose desktop this is; `undefined`: nothing, so the owner counts. */
  readonly hers: boolean | undefined
  readonly wish: PolicyWish
  /** The address she comes from, as text. */
  readonly address: string
}

/** What a session may have. */
export type SessionGrant = Pick<PolicySays, 'clipboard' | 'folders' | 'ports' | 'printing' | 'audio' | 'usb'>

export type Grant = { readonly allowed: true } & SessionGrant

export interface Refusal {
  readonly allowed: false
  readonly code: Extract<FaultCode, 'desktop.foreign' | 'desktop.blocked' | 'policy.refused'>
  readonly detail: FaultDetail
}

/** What holds where no rule says anything. */
const DEFAULTS: PolicySays = {
  use: true,
  displays: DISPLAY_KINDS,
  clipboard: 'both',
  folders: { access: 'rw', roots: [] },
  ports: true,
  printing: true,
  audio: true,
  usb: true,
  quota: 3,
}

/**
 * Says whether somebody may do what she wants, and with what.
 *
 * 1. Ownership and roles say what anybody may ever do; rules take away from that and never add to it. Everybody
 *    lists, opens and stops her own desktops, and has her folders in them. `power` also makes new ones. `support` also looks on at, and stops,
 *    desktops of her own tenant. Nobody ever reaches another tenant's.
 * 2. A blocked desktop is listed and can be stopped (compatibility page 1.3), and nothing else.
 * 3. Rules are read from the top, like a firewall's. A rule that matches decides what it speaks of – and only that –
 *    unless a rule above it has. What no rule speaks of is allowed.
 *
 * @param rules in their order.
 */
export function decidePolicy(rules: readonly PolicyRule[], circumstances: Circumstances): Grant | Refusal {
  const { desktop, wish } = circumstances
  if (!isWithinReach(circumstances)) return refusal('desktop.foreign')
  if (desktop.blocked && wish.kind !== 'list' && wish.kind !== 'stop') return refusal('desktop.blocked')
  const matching = rules.filter((rule) => matches(rule, circumstances))
  const decide = <K extends keyof PolicySays>(what: K): { value: PolicySays[K]; rule: string } => {
    const rule = matching.find(({ says }) => says[what] !== undefined)
    return { value: rule?.says[what] ?? DEFAULTS[what], rule: rule?.name ?? 'default' }
  }
  const use = decide('use')
  if (!use.value) return refused(use.rule, 'this desktop', elsewhere(rules))
  if (wish.kind === 'open') {
    const { value, rule } = decide('displays')
    const others = value.map((display) => VIEWER[display]).join(' or ')
    if (!value.includes(wish.display))
      return refused(
        rule,
        `this desktop ${VIEWER[wish.display]}`,
        others === '' ? elsewhere(rules) : `Open it ${others}`,
      )
  }
  if (wish.kind === 'share') {
    const { value, rule } = decide('folders')
    if (value.access === 'off') return refused(rule, 'to share folders', 'Work without them')
  }
  if (wish.kind === 'share usb') {
    const { value, rule } = decide('usb')
    if (!value) return refused(rule, 'to share USB devices', 'Work without them')
  }
  if (wish.kind === 'create') {
    const { value, rule } = decide('quota')
    if (wish.owned >= value) return refused(rule, `more than ${value} desktops`, 'Give one of yours back')
  }
  return {
    allowed: true,
    clipboard: decide('clipboard').value,
    folders: decide('folders').value,
    ports: decide('ports').value,
    printing: decide('printing').value,
    audio: decide('audio').value,
    usb: decide('usb').value,
  }
}

/** What ownership and roles allow. */
function isWithinReach({ guest, desktop, hers, wish }: Circumstances): boolean {
  if (desktop.tenantId !== guest.tenantId) return false
  const own = hers ?? desktop.ownerId === guest.id
  switch (wish.kind) {
    case 'list':
    case 'open':
    case 'share':
    case 'share usb':
      return own
    case 'stop':
      return own || guest.role === 'support'
    case 'look on':
      return guest.role === 'support'
    case 'create':
      return own && guest.role === 'power'
  }
}

function matches({ about }: PolicyRule, { guest, desktop, address }: Circumstances): boolean {
  return (
    (about.tenantId === undefined || about.tenantId === guest.tenantId) &&
    (about.user === undefined || about.user === guest.login) &&
    (about.group === undefined || guest.groups.includes(about.group)) &&
    (about.role === undefined || about.role === guest.role) &&
    (about.flavour === undefined || about.flavour === desktop.flavour) &&
    (about.desktop === undefined || about.desktop === desktop.name) &&
    (about.from === undefined || about.from.contains(address))
  )
}

/** What to try when a desktop is closed: another address, if that ever matters. */
function elsewhere(rules: readonly PolicyRule[]): string {
  return rules.some(({ about }) => about.from !== undefined)
    ? 'Try it from another network'
    : 'Pick another desktop'
}

function refused(rule: string, what: string, advice: string): Refusal {
  return refusal('policy.refused', { rule, what, advice })
}

function refusal(code: Refusal['code'], detail: FaultDetail = {}): Refusal {
  return { allowed: false, code, detail }
}
