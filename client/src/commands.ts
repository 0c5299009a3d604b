import type { DesktopListItem } from '@ostler/contract/desktop.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { ConnectRequest, Door } from './door.ts'
import { showNx } from './nx-display.ts'
import { showByRdpFile } from './rdp-file.ts'
import { showInViewer } from './viewer-display.ts'
import { findViewer } from './viewers.ts'

export interface Terminal {
  /** A line of the result. */
  print(line: string): void
  /** A line about what is going on. */
  tell(line: string): void
  /** Asks a question; `undefined` when nobody can answer. */
  readonly ask: ((question: string) => Promise<string>) | undefined
}

/** Prints the user's desktops: number, state and name. */
export async function listDesktops(door: Door, terminal: Terminal): Promise<void> {
  const desktops = await door.list()
  if (desktops.length === 0) terminal.tell('You have no desktop here.')
  for (const desktop of desktops) terminal.print(lineOf(desktop))
}

/** Asked first: nobody shall sign in for nothing. Throws `client.noDisplay`. */
export function requireScreen(): void {
  if ((process.env['DISPLAY'] ?? '') === '') throw new Fault('client.noDisplay')
}

/** What a desktop is shown with. */
export interface ViewingWith {
  readonly nxproxy: string
  /** Name or path of a viewer; `undefined`: the first that is there. */
  readonly viewer: string | undefined
  /** A file for the user's own RDP client instead of a viewer that we start. */
  readonly rdpFile: string | undefined
}

/**
 * Opens a desktop and shows it until its window closes.
 * @throws Fault `client.ended` when the server ended it, `client.noViewer` before anything is asked of the server.
 */
export async function connectDesktop(
  door: Door,
  wanted: string | undefined,
  request: ConnectRequest,
  programs: ViewingWith,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const { display } = request
  const { nxproxy, rdpFile } = programs
  const viewer = display === 'nx' || rdpFile !== undefined ? undefined : findViewer(display, programs.viewer)
  const desktop = await pick(await door.list(), wanted, terminal)
  let last = ''
  const { stream, head, further } = await door.connect(desktop.id, request, (text) => {
    if (text !== last) terminal.tell(text)
    last = text
  })
  terminal.tell(`Showing ${desktop.name}.`)
  const shown = { first: { stream, head }, further, title: desktop.name }
  const end =
    rdpFile !== undefined
      ? await showByRdpFile(shown, rdpFile, (line) => terminal.tell(line), signal)
      : viewer !== undefined
        ? await showInViewer(shown, viewer, signal)
        : await showNx(stream, head, nxproxy, signal)
  if (end === 'window closed') terminal.tell('Disconnected; the desktop goes on without you.')
  else throw new Fault('client.ended')
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
