import { DEFAULT_CLIENT_OPTIONS, parseClientOptions } from '@ostler/contract/client-options.ts'
import { Fault, lastSentence } from '@ostler/contract/fault.ts'
import { systemClock } from '@ostler/kit/clock.ts'
import { runMain } from '@ostler/kit/service.ts'
import { Command, Option } from 'commander'
import { homedir, hostname } from 'node:os'
import { join } from 'node:path'
import { connectDesktop, listDesktops, requireScreen, type Terminal } from '../commands.ts'
import { type Account, type Door, doorAt } from '../door.ts'
import { pairDevice } from '../pairing.ts'
import { ask, readPassword } from '../password.ts'
import { VIEWER_DISPLAYS, type ViewerDisplay } from '../viewers.ts'
import { connectTrusted, type Server, type TrustSettings } from '../trust.ts'

interface ServerOptions {
  readonly user?: string
  readonly pair: boolean
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
  readonly display: 'nx' | ViewerDisplay
  readonly viewer?: string
  readonly rdpFile?: string
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
  .addOption(
    new Option('--display <kind>', 'how to see it').choices(['nx', ...VIEWER_DISPLAYS]).default('nx'),
  )
  .option('--viewer <program>', 'the viewer for vnc, spice or rdp, if not the first that is there')
  .option(
    '--rdp-file <path>',
    "write a file for an RDP client of your own instead of starting a viewer; means '--display rdp'",
  )
  .addOption(new Option('--nxproxy <path>', 'the NX proxy').default('nxproxy'))
  .action(async (host: string, options: ConnectOptions) => {
    const client = parseClientOptions(
      new Map([
        ['qvd.client.geometry', options.geometry],
        ['qvd.client.fullscreen', options.fullscreen ? '1' : '0'],
        ['qvd.client.link', options.link],
        ['qvd.client.keyboard', options.keyboard],
      ]),
    )
    const { desktop, nxproxy, viewer, rdpFile } = options
    if (rdpFile === undefined) requireScreen()
    const display = rdpFile === undefined ? options.display : 'rdp'
    const door = await openDoor(host, options)
    const abort = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => abort.abort())
    const request = { display, options: client }
    await connectDesktop(door, desktop, request, { nxproxy, viewer, rdpFile }, terminal, abort.signal)
  })

function withServer(command: Command): Command {
  return command
    .argument('<host>', 'the server')
    .option('-u, --user <name>', 'your name there')
    .option('--pair', 'without password: confirm a code in a browser', false)
    .option('-p, --port <number>', 'its port', Number, 8443)
    .option('--password-fd <number>', 'read the password from this file descriptor', Number)
    .option('--accept-new-certificate', 'trust a certificate that is seen for the first time', false)
}

async function openDoor(host: string, options: ServerOptions): Promise<Door> {
  const server = { host, port: options.port }
  const trust: TrustSettings = {
    file: join(process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'ostler', 'known-servers'),
    confirm: async (_, fingerprint) => {
      if (options.acceptNewCertificate) return true
      if (terminal.ask === undefined) return false
      const answer = await terminal.ask(
        `${host} is new here. Its certificate is\n${fingerprint}\nTrust it? (yes/no) `,
      )
      return answer.trim().toLowerCase() === 'yes'
    },
  }
  return doorAt(server, await accountAt(server, trust, options), trust)
}

async function accountAt(server: Server, trust: TrustSettings, options: ServerOptions): Promise<Account> {
  const { user, pair, passwordFd } = options
  if (pair) {
    const open = () => connectTrusted(server, trust)
    const name = `ostler on ${hostname()}`
    return {
      token: await pairDevice(server, {
        open,
        name,
        tell: (line) => terminal.tell(line),
        clock: systemClock,
      }),
    }
  }
  if (user === undefined)
    throw new Fault('client.choice', { problem: 'who are you there?', choices: '--user NAME, --pair' })
  return { user, password: await readPassword(user, passwordFd) }
}

function sizeOf({ width, height }: { width: number; height: number }): string {
  return `${width}x${height}`
}

runMain(async () => void (await program.parseAsync()), lastSentence)
