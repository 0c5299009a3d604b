import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import { literally, withoutSecrets } from '../config/environment.ts'
import { type ClientSettings, loadSettings } from '../config/load.ts'
import type { ClientKey } from '../config/options.ts'
import { placesOf } from '../config/places.ts'
import type { Door } from '../door.ts'
import { keyringOf } from '../keyring.ts'
import { readPassword } from '../password.ts'
import { signIn, type SignInParts } from '../sign-in.ts'
import type { Workplace } from './workplace.ts'

/** Options of the command line by their names, and the keys that they say. */
const KEYS: Readonly<Record<string, ClientKey>> = {
  user: 'client.user.name',
  port: 'client.host.port',
  tls: 'client.use_ssl',
  caFile: 'client.ssl.ca_file',
  cert: 'client.ssl.cert_file',
  key: 'client.ssl.key_file',
  rememberPassword: 'client.remember_password',
  desktop: 'client.desktop',
  geometry: 'client.geometry',
  fullscreen: 'client.fullscreen',
  link: 'client.link',
  keyboard: 'client.keyboard',
  display: 'client.display',
  viewer: 'client.viewer',
  nxproxy: 'command.nxproxy',
  reconnect: 'client.reconnect.seconds',
  open: 'client.open.enable',
  printing: 'client.printing.enable',
  printer: 'client.printing.printers',
  sound: 'client.audio.enable',
  microphone: 'client.audio.microphone.enable',
}

/** The options that every command has which speaks with a server. */
export function withServer(command: Command): Command {
  return command
    .argument('[host]', 'the server; default: client.host.name')
    .option('-u, --user <name>', 'your name there')
    .option('--pair', 'without password: confirm a code in a browser')
    .option('-p, --port <number>', 'its port')
    .option('--password-fd <number>', 'read the password from this file descriptor', descriptor)
    .option('--remember-password', 'keep the password in the keyring')
    .option('--accept-new-certificate', 'trust a certificate that is seen for the first time')
    .option('--ca-file <path>', "authorities besides the system's, PEM")
    .option('--cert <path>', 'a certificate of your own to show, PEM')
    .option('--key <path>', 'its key, PEM')
    .option('--no-tls', 'speak plainly: everybody on the way can listen')
    .option('--config <path>', "read this file instead of the user's own")
}

/** What `withServer` gives, beside the keys. */
interface ServerOptions {
  readonly pair?: boolean
  readonly passwordFd?: number
  readonly acceptNewCertificate?: boolean
  readonly cert?: string
  readonly config?: string
}

/** The configuration with what this command line says. @throws Fault `client.setting`, `client.exposed`. */
export function settingsFor(
  { environment, terminal }: Workplace,
  command: Command,
  host?: string,
): ClientSettings {
  const options = command.opts<ServerOptions & Readonly<Record<string, unknown>>>()
  const said: Record<string, { value: string; origin: string }> = {}
  const say = (key: ClientKey, value: unknown, origin: string): void => {
    const text = typeof value === 'boolean' ? (value ? '1' : '0') : String(value)
    said[key] = { value: literally(text), origin }
  }
  if (host !== undefined) say('client.host.name', host, 'the command line')
  for (const [name, key] of Object.entries(KEYS))
    if (command.getOptionValueSource(name) === 'cli') say(key, options[name], optionNamed(command, name))
  if (options.acceptNewCertificate === true)
    say('client.client.ssl-errors', 'continue', '--accept-new-certificate')
  if (options.cert !== undefined) say('client.ssl.use_cert', true, '--cert')
  const settings = loadSettings(placesOf(environment), environment, said, options.config)
  for (const warning of settings.warnings) terminal.tell(warning)
  return settings
}

/** What signing in needs, as this command line says. */
export function signInParts(
  { terminal, environment, signal, clock }: Workplace,
  command: Command,
  settings: ClientSettings,
): SignInParts {
  const { pair = false, passwordFd } = command.opts<ServerOptions>()
  const keyring = keyringOf(withoutSecrets(environment))
  return {
    settings,
    terminal,
    keyring,
    clock,
    signal,
    pair,
    given: passwordFd === undefined ? undefined : readPassword(passwordFd),
    places: placesOf(environment),
  }
}

/** The door of the server that this command line and the configuration name. */
export async function openDoor(
  workplace: Workplace,
  command: Command,
  host: string | undefined,
): Promise<{ door: Door; settings: ClientSettings }> {
  const settings = settingsFor(workplace, command, host)
  return { door: await signIn(signInParts(workplace, command, settings)), settings }
}

function optionNamed(command: Command, name: string): string {
  return command.options.find((option) => option.attributeName() === name)?.long ?? name
}

function descriptor(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError('a file descriptor is a small number')
  return Number(text)
}
