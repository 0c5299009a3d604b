import type { DesktopListItem } from '@ostler/contract/desktop.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { type ConnectRequest, type Door, type OpenDisplay } from './door.ts'
import type { Secret } from '@ostler/kit/secret.ts'
import { type NxChannels, NO_CHANNELS, openNxChannels, type WantedChannels } from './nx-channels.ts'
import { type DisplayEnd, type NxChannel, type NxProxy, optionsOnly, showNx } from './nx-display.ts'
import { type ChannelWishes, openClientSide } from './slave/client-side.ts'
import { PresentChannel } from './slave/present-channel.ts'
import { showByRdpFile } from './rdp-file.ts'
import { comeBack, endIn, type Patience, settledFate } from './seat.ts'
import type { Terminal } from './terminal.ts'
import { showInViewer } from './viewer-display.ts'
import { findViewer, type ViewerProgram } from './viewers.ts'

/** Prints the user's desktops: number, state and name. */
export async function listDesktops(door: Door, terminal: Terminal): Promise<void> {
  const desktops = await door.list()
  if (desktops.length === 0) terminal.tell('You have no desktop here.')
  for (const desktop of desktops) terminal.print(lineOf(desktop))
}

/** Stops a desktop: its programs end. Says so when nothing ran. */
export async function stopDesktop(door: Door, wanted: string | undefined, terminal: Terminal): Promise<void> {
  const desktop = await pick(await door.list(), wanted, terminal)
  if (desktop.state === 'stopped') return void terminal.tell(`${desktop.name} does not run.`)
  await stopNow(door, desktop, terminal)
  terminal.tell(`${desktop.name} has stopped.`)
}

async function stopNow(door: Door, desktop: DesktopListItem, terminal: Terminal): Promise<void> {
  using progress = terminal.wait()
  await door.stop(desktop.id, (text) => progress.say(text))
}

/** Asked first: nobody shall sign in for nothing. Throws `client.noDisplay`. */
export function requireScreen(environment: NodeJS.ProcessEnv): void {
  if ((environment['DISPLAY'] ?? '') === '') throw new Fault('client.noDisplay')
}

/** What a desktop is shown with, and how long a line that was cut is tried again. */
export interface ConnectParts {
  readonly nxproxy: NxProxy
  /** Name or path of a viewer; `undefined`: the first that is there. */
  readonly viewer: string | undefined
  /** A file for the user's own RDP client instead of a viewer that we start. */
  readonly rdpFile: string | undefined
  /** Restart the desktop first. */
  readonly restart: boolean
  readonly terminal: Terminal
  readonly patience: Patience
  /** What goes on beside a desktop that is shown, also while its line is mended. */
  readonly beside: (
    door: Door,
    desktop: DesktopListItem,
    channel: PresentChannel | undefined,
  ) => Promise<AsyncDisposable>
  /** What the slave channel of an NX client is for; `undefined`: there is none. */
  readonly channel: ChannelWishes | undefined
  /** What of this machine the desktop may use; with NX only. */
  readonly channels: WantedChannels
}

/**
 * Opens a desktop and shows it until its window closes; a line that was cut is taken up again.
 *
 * @throws Fault that says why the server ended it, but none for a logout; `client.noViewer` before anything is asked
 *   of the server; `client.cut`.
 */
export async function connectDesktop(
  door: Door,
  wanted: string | undefined,
  request: ConnectRequest,
  parts: ConnectParts,
): Promise<void> {
  const { terminal, rdpFile, patience } = parts
  const { display } = request
  const viewer = display === 'nx' || rdpFile !== undefined ? undefined : findViewer(display, parts.viewer)
  const desktop = await pick(await door.list(), wanted, terminal)
  if (parts.restart && desktop.state !== 'stopped') await stopNow(door, desktop, terminal)
  await using channels = await openNxChannels(
    display === 'nx' ? parts.channels : NO_CHANNELS,
    parts.nxproxy.environment,
    (line) => terminal.tell(line),
    patience.signal,
  )
  const asked = { ...request, more: channels.parameters }
  const open = async (): Promise<OpenDisplay> => {
    using progress = terminal.wait()
    return await door.connect(desktop.id, asked, (text) => progress.say(text))
  }
  let opened = await open()
  const channel = channelOf(opened, display, withRoutes(parts, channels))
  await using _beside = await parts.beside(door, desktop, channel?.present)
  terminal.tell(`Showing ${desktop.name}.`)
  while ((await show(opened, desktop.name, viewer, { channels, channel }, parts)) === 'server closed') {
    const next = await backTo(door, opened, open, parts)
    if (next === undefined) return
    opened = next
    terminal.tell(`Showing ${desktop.name} again.`)
  }
  terminal.tell(await farewell(door, opened, patience))
}

/** Comes back to a desktop whose line was cut. @returns `undefined` when its end was meant, and is a good one. */
async function backTo(
  door: Door,
  { seat, stream }: OpenDisplay,
  open: () => Promise<OpenDisplay>,
  { terminal, rdpFile, patience }: ConnectParts,
): Promise<OpenDisplay | undefined> {
  // A server that does not tell the seat closes in order when somebody meant it. A file was opened once, and is gone.
  if (rdpFile !== undefined || (seat === undefined && stream.errored === null))
    throw new Fault('client.ended')
  try {
    return await comeBack(seat === undefined ? STRANGER : door, seat ?? '', open, terminal, patience)
  } catch (error) {
    if (patience.signal.aborted) return undefined
    if (!(error instanceof Fault) || error.exitCode !== 0) throw error
    return void terminal.tell(sentenceOf(error))
  }
}

const LEFT = 'Disconnected; the desktop goes on without you.'

/** The last sentence when the window has closed: nxproxy closes it for a logout, too. */
async function farewell(door: Door, { seat }: OpenDisplay, { clock, signal }: Patience): Promise<string> {
  if (seat === undefined || signal.aborted) return LEFT
  const told = await settledFate(door, seat, clock, signal).catch(() => undefined)
  const why = told === undefined ? undefined : endIn(told)
  return why === undefined || why.code === 'desktop.left' ? LEFT : sentenceOf(why)
}

/** A server that knows no seats: QVD's. */
const STRANGER: Pick<Door, 'fateOf'> = { fateOf: () => Promise.resolve({ fate: 'free', isOver: false }) }

function sentenceOf({ message }: Fault): string {
  return `${message.slice(0, 1).toUpperCase()}${message.slice(1)}.`
}

async function show(
  { stream, head, further, slaveKey }: OpenDisplay,
  title: string,
  viewer: ViewerProgram | undefined,
  { channels, channel }: { readonly channels: NxChannels; readonly channel: SlaveWay | undefined },
  { nxproxy, rdpFile, terminal, patience: { signal } }: ConnectParts,
): Promise<DisplayEnd> {
  const shown = { first: { stream, head }, further, title }
  if (rdpFile !== undefined) return await showByRdpFile(shown, rdpFile, (line) => terminal.tell(line), signal)
  if (viewer !== undefined) return await showInViewer(shown, viewer, signal)
  return await showNx(stream, head, nxproxy, signal, channelOpener(channels, channel, slaveKey, terminal))
}

/** What is offered on the slave channel alone needs it. */
function withRoutes(parts: ConnectParts, { routes }: NxChannels): ConnectParts {
  const { channel } = parts
  if (channel === undefined || routes.length === 0) return parts
  return { ...parts, channel: { ...channel, more: routes, isNeeded: true } }
}

/** A slave channel that every connection of a desktop is to have. */
interface SlaveWay {
  readonly wishes: ChannelWishes
  readonly present: PresentChannel
}

/**
 * Whether there is to be a slave channel: where the user needs one, and with QVD's servers – they tell no seat – for folders, which
 * have no other way there.
 */
function channelOf(
  { seat, slaveKey }: OpenDisplay,
  display: ConnectRequest['display'],
  { channel: wishes, terminal }: ConnectParts,
): SlaveWay | undefined {
  if (display !== 'nx' || wishes === undefined || (!wishes.isNeeded && seat !== undefined)) return undefined
  if (slaveKey !== undefined) return { wishes, present: new PresentChannel() }
  if (wishes.isNeeded)
    terminal.tell(
      'This desktop has no slave channel: no ports, no folders of it here, no printers that need one, nothing to open.',
    )
  return undefined
}

/**
 * Makes what goes through nxproxy beside the picture: the ways for printers and sound, and the slave channel.
 * @param key that of this connection.
 */
function channelOpener(
  { options: ways }: NxChannels,
  channel: SlaveWay | undefined,
  key: Secret | undefined,
  terminal: Terminal,
): (folder: string) => Promise<NxChannel> {
  const plain = optionsOnly(ways)
  if (channel === undefined || key === undefined) return () => Promise.resolve(plain)
  const { wishes, present } = channel
  return async (folder) => {
    const side = await openClientSide(folder, key, wishes, (line) => terminal.tell(line))
    present.begin(side.guest)
    return {
      options: [...plain.options, ...side.options],
      environment: side.environment,
      [Symbol.asyncDispose]: async () => {
        present.end()
        await side[Symbol.asyncDispose]()
      },
    }
  }
}

async function pick(
  desktops: readonly DesktopListItem[],
  wanted: string | undefined,
  terminal: Terminal,
): Promise<DesktopListItem> {
  const choices = desktops.map((desktop) => desktop.name).join(', ') || '(you have none)'
  const find = (word: string): DesktopListItem => {
    const found = desktops.find(({ id, name }) => name === word || String(id) === word)
    if (found === undefined)
      throw new Fault('client.choice', { problem: `you have no desktop ${word}`, choices })
    return found
  }
  if (wanted !== undefined) return find(wanted)
  const [only, another] = desktops
  if (only !== undefined && another === undefined) return only
  if (only === undefined || terminal.ask === undefined)
    throw new Fault('client.choice', { problem: 'which desktop?', choices })
  for (const desktop of desktops) terminal.tell(lineOf(desktop))
  return find((await terminal.ask('Which one? ')).trim())
}

function lineOf({ id, name, state, blocked }: DesktopListItem): string {
  return `${String(id).padStart(4)}  ${state.padEnd(9)}  ${name}${blocked === 1 ? '  (under maintenance)' : ''}`
}
