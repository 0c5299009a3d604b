import { type ClientOptions, parseClientOptions } from '@ostler/contract/client-options.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { SessionDisplay } from '@ostler/contract/identity.ts'
import { SLAVE_FLAVOR } from '@ostler/contract/slave-printers.ts'
import type { AgentValues } from '../config/options.ts'
import type { UserRequest } from '../user/account.ts'
import { parseExtraArgs } from './extra-args.ts'
import { readSessionPolicy, type SessionPolicy } from './session-policy.ts'

/** What a session is started or resumed with, checked: the meaning of its parameters (compatibility page 4.2). */
export interface SessionRequest {
  readonly display: SessionDisplay
  readonly user: UserRequest
  readonly client: ClientOptions
  /** NX options that the client chose. */
  readonly extraArgs: ReadonlyMap<string, string>
  /** One program without a desktop around it: its windows stand on the client's screen, and the last one ends the session. */
  readonly application: boolean
  /** Where the client's printers are: a channel of nxagent's, the slave channel, or nowhere. */
  readonly printing: 'cups' | 'smb' | 'slave' | undefined
  readonly printingFlavor: string
  /** What of the client's sound is wanted: a client that says nothing wants to hear. */
  readonly sound: { readonly play: boolean; readonly microphone: boolean }
  /** What the door allows in the session. */
  readonly policy: SessionPolicy
  readonly slaveKey: string | undefined
  readonly timeZone: string | undefined
  readonly locale: string | undefined
  /** All parameters in their order, with the defaults filled in: what hooks get. */
  readonly pairs: readonly (readonly [string, string])[]
}

/** A name that can be neither an option, nor a path, nor a format string. */
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/

/**
 * Reads the parameters of `x_start`.
 * @throws Fault `session.parameter` or `request.invalid` naming the parameter; nothing has been done then.
 */
export function readRequest(
  display: SessionDisplay,
  parameters: Readonly<Record<string, string>>,
  config: AgentValues,
): SessionRequest {
  const given = new Map(Object.entries(parameters))
  const get = (key: string): string => given.get(key) ?? ''
  const all = withDefaults(given, config)
  const os = get('qvd.client.os')
  const policy = readSessionPolicy(given)
  const wanted = isOn(get('qvd.client.printing.enabled'))
  const printing = config['vma.printing.enable'] && wanted && policy.printing
  const printingFlavor = matching(all, 'qvd.client.printing.flavor', /^\w{1,32}$/) ?? ''
  return {
    display,
    user: readUser(all, config),
    client: parseClientOptions(
      new Map([
        ['qvd.client.keyboard', config['vma.default.client.keyboard']],
        ['qvd.client.link', config['vma.default.client.link']],
        ...[...given].filter(([, value]) => value !== ''),
      ]),
    ),
    extraArgs: parseExtraArgs(get('qvd.client.nxagent.extra_args')),
    application: isOn(get('qvd.vm.is_application')),
    printing: printing ? printingWay(printingFlavor, os) : undefined,
    printingFlavor,
    sound: {
      play: get('qvd.client.audio.sound.enable') !== '0',
      microphone: isOn(get('qvd.client.audio.microphone.enable')),
    },
    policy,
    slaveKey: matching(all, 'qvd.slave.key', /^[A-Za-z0-9]{16,128}$/),
    timeZone: matching(all, 'qvd.client.timezone', /^[A-Za-z][\w+-]*(\/[A-Za-z][\w+-]*){0,2}$/),
    locale: matching(
      all,
      'qvd.client.locale',
      /^[A-Za-z]{1,8}(_[A-Za-z]{2,8})?(\.[\w-]{1,16})?(@[\w]{1,16})?$/,
    ),
    pairs: [...all],
  }
}

/** QVD's own rule (compatibility page 4.7); of the flavors only this one is no channel of nxagent's. */
function printingWay(flavor: string, os: string): 'cups' | 'smb' | 'slave' {
  if (flavor === SLAVE_FLAVOR) return 'slave'
  return os === 'windows' ? 'smb' : 'cups'
}

/** Fills in what QVD fills in before anything runs: hooks always see the name, the groups and the home (C-71). */
function withDefaults(given: ReadonlyMap<string, string>, config: AgentValues): Map<string, string> {
  const all = new Map(given)
  const fill = (key: string, value: () => string): void => {
    if ((all.get(key) ?? '') === '') all.set(key, value())
  }
  fill('qvd.vm.user.name', () => config['vma.user.default.name'])
  fill('qvd.vm.user.groups', () => config['vma.user.default.groups'])
  fill('qvd.vm.user.home', () => `${config['vma.user.home.path']}/${all.get('qvd.vm.user.name') ?? ''}`)
  return all
}

function readUser(all: ReadonlyMap<string, string>, config: AgentValues): UserRequest {
  const name = matching(all, 'qvd.vm.user.name', NAME) ?? ''
  const home = all.get('qvd.vm.user.home') ?? ''
  if (!isPlainPath(home)) throw invalid('qvd.vm.user.home', 'is not a plain absolute path')
  const groups = (all.get('qvd.vm.user.groups') ?? '').replaceAll(/\s/g, '').split(',').filter(Boolean)
  const strange = groups.find((group) => !NAME.test(group))
  if (strange !== undefined) throw invalid('qvd.vm.user.groups', 'has a name that is no group name')
  return {
    name,
    uid: readNumber(all, 'qvd.vm.user.uid'),
    gid: readNumber(all, 'qvd.vm.user.gid'),
    group: matching(all, 'qvd.vm.user.group', NAME) ?? name,
    groups,
    home,
    shell: config['vma.user.shell'],
  }
}

/** A user or group number; never root's. */
function readNumber(all: ReadonlyMap<string, string>, key: string): number | undefined {
  const text = all.get(key) ?? ''
  if (text === '') return undefined
  const number = Number(text)
  if (!/^\d{1,10}$/.test(text) || number < 1 || number > 4_294_967_293)
    throw invalid(key, 'is not a number from 1 to 4294967293')
  return number
}

/** The value of a parameter; `undefined` when it is missing or empty. */
function matching(all: ReadonlyMap<string, string>, key: string, form: RegExp): string | undefined {
  const value = all.get(key) ?? ''
  if (value === '') return undefined
  if (!form.test(value)) throw invalid(key, 'has characters or a form that cannot be used')
  return value
}

function isPlainPath(path: string): boolean {
  return /^(\/[^/\0:%\n]+)+$/.test(path) && !path.split('/').some((part) => part === '.' || part === '..')
}

function isOn(value: string): boolean {
  return value === '1' || value === 'true'
}

function invalid(parameter: string, problem: string): Fault {
  return new Fault('session.parameter', { parameter, problem })
}
