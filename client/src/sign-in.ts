import { Fault } from '@ostler/contract/fault.ts'
import type { Clock } from '@ostler/kit/clock.ts'
import type { Secret } from '@ostler/kit/secret.ts'
import { hostname } from 'node:os'
import { barredBy, credentialsOf } from './certificate-policy.ts'
import type { Terminal } from './terminal.ts'
import type { ClientSettings } from './config/load.ts'
import type { Places } from './config/places.ts'
import { type Account, type Door, doorAt } from './door.ts'
import type { Keyring } from './keyring.ts'
import { KnownUsers } from './known-users.ts'
import { pairDevice } from './pairing.ts'
import { askPassword } from './password.ts'
import { connectTrusted, type Server, type TrustSettings } from './trust.ts'

/** What signing in needs besides the configuration. */
export interface SignInParts {
  readonly settings: ClientSettings
  readonly places: Places
  readonly terminal: Terminal
  readonly keyring: Keyring
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Confirm a code in a browser instead of a password. */
  readonly pair: boolean
  /** A password that was handed to us; `undefined`: the other ways. */
  readonly given: Secret | undefined
}

/**
 * The server that the configuration names.
 * @throws Fault `client.choice` when there is none, `client.forced` when another one is forced.
 */
export function serverOf({ config }: ClientSettings): Server {
  const { values } = config
  const [wanted, forced] = [values['client.host.name'], values['client.force.host.name']]
  if (forced !== undefined && wanted !== undefined && wanted !== forced)
    throw new Fault('client.forced', {
      allowed: forced,
      wanted,
      origin: config.origin('client.force.host.name'),
    })
  const host = forced ?? wanted
  if (host === undefined)
    throw new Fault('client.choice', { problem: 'which server?', choices: 'HOST, client.host.name, QVDHOST' })
  return { host, port: values['client.host.port'], ...(values['client.use_ssl'] ? {} : { plain: true }) }
}

/** What to do about the server's certificate, as the configuration says. @throws Fault `client.setting`. */
export function trustOf({ settings, places, terminal }: SignInParts): TrustSettings {
  const { values } = settings.config
  return {
    ...credentialsOf(values, places.qvdCertificates),
    file: places.knownServers,
    barredBy: (problem) => barredBy(values, problem),
    confirm: async ({ host }, fingerprint) => {
      if (values['client.client.ssl-errors'] === 'continue') return true
      if (terminal.ask === undefined) return false
      const answer = await terminal.ask(
        `${host} is new here. Its certificate is\n${fingerprint}\nTrust it? (yes/no) `,
      )
      return answer.trim().toLowerCase() === 'yes'
    },
  }
}

/**
 * Finds out who we are, and makes the door; the server is not asked yet, unless a device is paired. The first list that
 * it gives remembers what the configuration wants remembered, and one that it refuses forgets a kept password.
 */
export async function signIn(parts: SignInParts): Promise<Door> {
  const { settings, terminal } = parts
  const server = serverOf(settings)
  if (server.plain === true) terminal.tell(`Without TLS: everybody on the way to ${server.host} can listen.`)
  const trust = trustOf(parts)
  const { account, believed, refused } = await accountAt(server, trust, parts)
  const door = doorAt(server, account, trust, { shared: settings.shared, signal: parts.signal })
  return {
    ...door,
    list: async () => {
      try {
        const desktops = await door.list()
        await believed?.()
        return desktops
      } catch (error) {
        if (error instanceof Fault && error.code === 'auth.required') await refused?.()
        throw error
      }
    },
  }
}

/** Who we are, and what is to be done when the server has believed or refused it. */
interface Introduction {
  readonly account: Account
  readonly believed?: () => Promise<void>
  readonly refused?: () => Promise<void>
}

async function accountAt(server: Server, trust: TrustSettings, parts: SignInParts): Promise<Introduction> {
  const { settings, places, terminal, clock, keyring } = parts
  const { values } = settings.config
  if (parts.pair) {
    const name = `ostler on ${hostname()}`
    const tell = (line: string): void => terminal.tell(line)
    return {
      account: {
        token: await pairDevice(server, { open: () => connectTrusted(server, trust), name, tell, clock }),
      },
    }
  }
  const token = values['client.auto_connect.token']
  if (token.reveal() !== '') return { account: { token } }
  const known = new KnownUsers(places.knownUsers)
  const user = values['client.user.name'] ?? known.at(server) ?? (await askName(server, terminal))
  const { password, from } = await passwordOf(server, user, parts)
  return {
    account: { user, password },
    believed: async () => {
      if (values['client.remember_username']) known.remember(server, user)
      if (from === 'user' && values['client.remember_password'])
        await comfort(terminal, 'The password was not kept', () => keyring.keep(server, user, password))
    },
    refused: async () => {
      if (from === 'keyring')
        await comfort(terminal, 'The password that was kept stays', () => keyring.forget(server, user))
    },
  }
}

async function askName({ host }: Server, terminal: Terminal): Promise<string> {
  const name = (await terminal.ask?.(`Your name at ${host}: `))?.trim() ?? ''
  if (name === '')
    throw new Fault('client.choice', { problem: 'who are you there?', choices: '--user NAME, --pair' })
  return name
}

/** Descriptor, configuration or environment, keyring, terminal: the first that has it. */
async function passwordOf(
  server: Server,
  user: string,
  { settings, given, keyring, terminal }: SignInParts,
): Promise<{ password: Secret; from: 'user' | 'keyring' | 'configuration' }> {
  const { values } = settings.config
  const configured = values['client.user.password']
  if (given !== undefined) return { password: given, from: 'user' }
  if (configured.reveal() !== '') return { password: configured, from: 'configuration' }
  if (values['client.remember_password']) {
    const kept = await comfort(terminal, 'No password from the keyring', () => keyring.find(server, user))
    if (kept !== undefined) return { password: kept, from: 'keyring' }
  }
  return { password: await askPassword(user, terminal), from: 'user' }
}

/** Nobody is sent away because her keyring is locked: she is told. */
async function comfort<T>(
  terminal: Terminal,
  otherwise: string,
  act: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await act()
  } catch (error) {
    terminal.tell(`${otherwise}: ${error instanceof Error ? error.message : String(error)}.`)
    return undefined
  }
}
