import { DEFAULT_CLIENT_OPTIONS, parseClientOptions } from '@ostler/contract/client-options.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { Command, Option } from 'commander'
import { connectDesktop, type ConnectParts, requireScreen } from '../commands.ts'
import { withoutSecrets } from '../config/environment.ts'
import type { ClientSettings } from '../config/load.ts'
import { CLIENT_OPTIONS, type ClientValues } from '../config/options.ts'
import type { ConnectRequest } from '../door.ts'
import { shareBeside } from '../folders/beside-display.ts'
import { keepMounted } from '../folders/mounted-here.ts'
import { configuredShares, type WantedShare, wantedShare } from '../folders/wanted-share.ts'
import type { WantedChannels } from '../nx-channels.ts'
import { signIn } from '../sign-in.ts'
import { type Forward, parseForward } from '../slave/forward.ts'
import { channelWishes } from '../slave/wishes.ts'
import { VIEWER_DISPLAYS } from '../viewers.ts'
import { settingsFor, signInParts, withServer } from './server-options.ts'
import type { Workplace } from './workplace.ts'

export function connectCommand(workplace: Workplace): Command {
  return withConnection(withServer(new Command('connect').description('open a desktop in a window')))
    .option(
      '-s, --share <path[=name][:ro]>',
      'a folder of this machine to have in the desktop; may be repeated',
      (path: string, others: readonly string[]) => [...others, path],
      [],
    )
    .option(
      '-L, --forward <port:localhost:port>',
      'a port here that leads to one of the desktop; may be repeated',
      (text: string, others: readonly Forward[]) => [...others, parseForward(text)],
      [],
    )
    .option('--open <kinds>', 'what the desktop may have opened here: links, documents, or both by a comma')
    .option('--restart', 'restart the desktop first: its programs end')
    .option(
      '--rdp-file <path>',
      "write a file for an RDP client of your own instead of starting a viewer; means '--display rdp'",
    )
    .action(async (host: string | undefined, options: ConnectOnce, command: Command) => {
      await connectOnce(workplace, command, host, options)
    })
}

/** The options of what is shown, and how. */
export function withConnection(command: Command): Command {
  return command
    .option('-d, --desktop <name>', 'name or number of the desktop, if you have several')
    .option(
      '-g, --geometry <WxH>',
      `size of the window (default: ${CLIENT_OPTIONS['client.geometry'].default})`,
    )
    .option('-f, --fullscreen', 'fill the screen')
    .option('-l, --link <kind>', 'modem, isdn, adsl, wan, lan, local or a bandwidth')
    .option('-k, --keyboard <model/layout>', 'your keyboard')
    .addOption(new Option('--display <kind>', 'how to see it').choices(['nx', ...VIEWER_DISPLAYS]))
    .option('--viewer <program>', 'the viewer for vnc, spice or rdp, if not the first that is there')
    .option('--reconnect <seconds>', 'so long a line that was cut is tried again; 0: never')
    .option('--printer <name...>', 'let the desktop print to these printers of yours, instead of to all')
    .option('--no-printing', 'to none')
    .option('--no-sound', 'do not let the desktop play sound')
    .option('--microphone', 'let the desktop hear your microphone')
    .option('--nxproxy <program>', 'the NX proxy')
}

/** What is said for one connection, and no setting. */
interface ConnectOnce {
  readonly rdpFile?: string
  readonly restart?: boolean
  readonly share?: readonly string[]
  readonly forward?: readonly Forward[]
}

/** Signs in and shows a desktop until that is over. */
export async function connectOnce(
  workplace: Workplace,
  command: Command,
  host: string | undefined,
  { rdpFile, restart, share = [], forward }: ConnectOnce = {},
): Promise<void> {
  const settings = settingsFor(workplace, command, host)
  const { values } = settings.config
  const shares = share.map(wantedShare)
  if (rdpFile === undefined) requireScreen(workplace.environment)
  const door = await signIn(signInParts(workplace, command, settings))
  const parts = connectParts(settings, workplace, { rdpFile, restart, shares, forwards: forward })
  await connectDesktop(door, wantedDesktop(values), requestOf(values, rdpFile), parts)
}

/** The desktop that is meant, by its name or number; `undefined`: the only one. */
export function wantedDesktop(values: ClientValues): string | undefined {
  return values['client.desktop'] ?? values['client.auto_connect.vm_id']?.toString()
}

/** How the configuration wants a desktop to be shown. */
export function requestOf(values: ClientValues, rdpFile?: string): ConnectRequest {
  const geometry = values['client.geometry']
  const options = parseClientOptions(
    new Map([
      ['qvd.client.geometry', geometry ?? ''],
      // QVD's manual, 7.6.1: without a size it is the full screen.
      ['qvd.client.fullscreen', values['client.fullscreen'] || geometry === undefined ? '1' : '0'],
      ['qvd.client.link', values['client.force.link'] ?? values['client.link']],
      ['qvd.client.keyboard', values['client.keyboard']],
      ['qvd.client.os', DEFAULT_CLIENT_OPTIONS.os],
    ]),
  )
  const display = rdpFile === undefined ? values['client.display'] : 'rdp'
  return { display, options, agentOptions: values['client.nxagent.extra_args'] }
}

function wantedChannels(values: ClientValues): WantedChannels {
  const named = values['client.printing.printers'].split(/[\s,]+/).filter(Boolean)
  const printers = named.length === 0 ? 'all' : named
  const microphone = values['client.audio.microphone.enable']
  const printOverSlave = values['client.printing.channel'] === 'slave'
  const canPrint = values['client.printing.enable'] && (!printOverSlave || values['client.slave.enable'])
  return {
    printers: canPrint ? printers : [],
    printOverSlave,
    sound: values['client.audio.enable'] || microphone,
    microphone,
  }
}

interface ConnectionParts {
  readonly rdpFile?: string | undefined
  readonly restart?: boolean | undefined
  readonly shares?: readonly WantedShare[]
  readonly forwards?: readonly Forward[] | undefined
}

/** What a desktop is shown with, as the configuration says. */
export function connectParts(
  { config: { values }, folders }: ClientSettings,
  { terminal, environment, signal, clock }: Workplace,
  { rdpFile, restart = false, shares = [], forwards = [] }: ConnectionParts = {},
): ConnectParts {
  const tell = (line: string): void => terminal.tell(line)
  const sshfs = {
    program: values['command.sshfs'],
    extraArgs: values['client.sshfs.extra_args'].split(/\s+/).filter(Boolean),
  }
  return {
    nxproxy: {
      program: values['command.nxproxy'],
      extraArgs: values['client.nxproxy.extra_args'].split(/\s+/).filter(Boolean),
      environment: withoutSecrets(environment),
    },
    viewer: values['client.viewer'],
    rdpFile,
    restart,
    channels: wantedChannels(values),
    channel: channelWishes(values, forwards, folders.mounts.length),
    beside: async (door, desktop, present) => {
      const all = [...shares, ...configuredShares(folders.shares, shares, tell)]
      const scope = new Scope()
      scope.own(await shareBeside(door, desktop, all, present, tell))
      if (present !== undefined)
        for (const mount of folders.mounts) scope.own(keepMounted(mount, { channel: present, sshfs, tell }))
      return scope
    },
    terminal,
    patience: { clock, signal, seconds: values['client.reconnect.seconds'], random: Math.random },
  }
}
