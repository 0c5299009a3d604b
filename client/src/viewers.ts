import { Fault } from '@ostler/contract/fault.ts'
import { accessSync, constants } from 'node:fs'
import { basename, delimiter, join } from 'node:path'

/** Displays that a viewer of somebody else's shows. */
export const VIEWER_DISPLAYS = ['vnc', 'spice', 'rdp'] as const
export type ViewerDisplay = (typeof VIEWER_DISPLAYS)[number]

/** A program that shows a display which it reaches by a unix socket: nobody else on the machine can be quicker. */
export interface ViewerProgram {
  readonly path: string
  readonly args: (socket: string, title: string) => readonly string[]
}

type Arguments = ViewerProgram['args']

const tigerVnc: Arguments = (socket) => ['-SecurityTypes', 'None', socket]
/** The name and the password are asked for otherwise; the door has asked for hers, and nobody here looks at them. */
const freeRdp: Arguments = (socket, title) => [
  `/v:${socket}`,
  '/sec:rdp',
  '/u:ostler',
  '/p:ostler',
  `/t:${title}`,
  '/dynamic-resolution',
]

/** What we know how to call, the better one first. */
const KNOWN: Readonly<Record<ViewerDisplay, Readonly<Record<string, Arguments>>>> = {
  vnc: { xtigervncviewer: tigerVnc, vncviewer: tigerVnc },
  spice: {
    'remote-viewer': (socket, title) => [`--title=${title}`, '--', `spice+unix://${socket}`],
    spicy: (socket, title) => [`--title=${title}`, `--uri=spice+unix://${socket}`],
  },
  rdp: { xfreerdp: freeRdp, xfreerdp3: freeRdp },
}

/**
 * Finds a viewer.
 * @param wanted name or path of one; `undefined`: the first that is there.
 * @throws Fault `client.noViewer` naming those that would do.
 */
export function findViewer(display: ViewerDisplay, wanted: string | undefined): ViewerProgram {
  const known = KNOWN[display]
  for (const name of wanted === undefined ? Object.keys(known) : [wanted]) {
    const args = known[basename(name)]
    const path = args === undefined ? undefined : locate(name)
    if (args !== undefined && path !== undefined) return { path, args }
  }
  throw new Fault('client.noViewer', { display, programs: Object.keys(known).join(', ') })
}

/** Where a program is: by its path, or in the search path. */
export function locate(name: string): string | undefined {
  const places = name.includes('/')
    ? [name]
    : (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name))
  return places.find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
