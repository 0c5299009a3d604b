import { DEFAULT_CLIENT_OPTIONS, parseClientOptions } from '@ostler/contract/client-options.ts'
import { lastSentence } from '@ostler/contract/fault.ts'
import { runMain } from '@ostler/kit/service.ts'
import { Command, Option } from 'commander'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { connectDesktop, listDesktops, type Terminal } from '../commands.ts'
import { type Door, doorAt } from '../door.ts'
import { ask, readPassword } from '../password.ts'

interface ServerOptions {
  readonly user: string
  readonly port: number
  readonly passwordFd?: number
  readonly acceptNewCertificate: boolean
}

interface ConnectOptions extends ServerOptions {
  readonly desktop?: string
  readonly geometry: string
  readonly fullscreen: boolean
  readonly link: string
  readonly keyboard: string
  readonly nxproxy: string
}

const terminal: Terminal = {
  print: (line) => console.log(line),
  tell: (line) => console.error(line),
  ask: process.stdin.isTTY ? ask : undefined,
}

const program = new Command('ostler')
  .description('Use your desktops on an Ostler or QVD server.')
  .version('0.1.0')
  .showHelpAfterError()

withServer(program.command('list').description('list your desktops')).action(
  async (host: string, options: ServerOptions) => await listDesktops(await openDoor(host, options), terminal),
)

withServer(program.command('connect').description('open a desktop in a window'))
  .option('-d, --desktop <name>', 'name or number of the desktop, if you have several')
  .option('-g, --geometry <WxH>', 'size of the window', sizeOf(DEFAULT_CLIENT_OPTIONS.geometry))
  .option('-f, --fullscreen', 'fill the screen', false)
  .option(
    '-l, --link <kind>',
    'modem, isdn, adsl, wan, lan, local or a bandwidth',
    DEFAULT_CLIENT_OPTIONS.link,
  )
  .option('-k, --keyboard <model/layout>', 'your keyboard', DEFAULT_CLIENT_OPTIONS.keyboard)
  .addOption(new Option('--nxproxy <path>', 'the NX proxy').default('nxproxy'))
  .action(async (host: string, options: ConnectOptions) => {
    const abort = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => abort.abort())
    const client = parseClientOptions(
      new Map([
        ['qvd.client.geometry', options.geometry],
        ['qvd.client.fullscreen', options.fullscreen ? '1' : '0'],
        ['qvd.client.link', options.link],
        ['qvd.client.keyboard', options.keyboard],
      ]),
    )
    const door = await openDoor(host, options)
    await connectDesktop(door, options.desktop, client, options.nxproxy, terminal, abort.signal)
  })

function withServer(command: Command): Command {
  return command
    .argument('<host>', 'the server')
    .requiredOption('-u, --user <name>', 'your name there')
    .option('-p, --port <number>', 'its port', Number, 8443)
    .option('--password-fd <number>', 'read the password from this file descriptor', Number)
    .option('--accept-new-certificate', 'trust a certificate that is seen for the first time', false)
}

async function openDoor(host: string, options: ServerOptions): Promise<Door> {
  const password = await readPassword(options.user, options.passwordFd)
  return doorAt(
    { host, port: options.port },
    { user: options.user, password },
    {
      file: join(process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'ostler', 'known-servers'),
      confirm: async (server, fingerprint) => {
        if (options.acceptNewCertificate) return true
        if (terminal.ask === undefined) return false
        const answer = await terminal.ask(
          `${server.host} is new here. Its certificate is\n${fingerprint}\nTrust it? (yes/no) `,
        )
        return answer.trim().toLowerCase() === 'yes'
      },
    },
  )
}

function sizeOf({ width, height }: { width: number; height: number }): string {
  return `${width}x${height}`
}

runMain(async () => void (await program.parseAsync()), lastSentence)
