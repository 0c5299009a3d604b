import { Command } from 'commander'
import { CLIENT_VERSION } from '../version.ts'
import { connectCommand } from './connect.ts'
import { completionCommand } from './completion.ts'
import { manualCommand } from './manual.ts'
import { kioskCommand } from './kiosk.ts'
import { settingsCommand } from './settings.ts'
import { doctorCommand } from './doctor.ts'
import { listCommand } from './list.ts'
import { shareCommand, sharesCommand, unshareCommand } from './shares.ts'
import { usbCommand } from './usb.ts'
import { stopCommand } from './stop.ts'
import { versionCommand } from './version.ts'
import type { Workplace } from './workplace.ts'

/** All commands, in the order of the help. Completions and the manual page are printed from what they declare. */
const COMMANDS: readonly ((workplace: Workplace) => Command)[] = [
  connectCommand,
  listCommand,
  stopCommand,
  shareCommand,
  unshareCommand,
  sharesCommand,
  usbCommand,
  settingsCommand,
  kioskCommand,
  doctorCommand,
  completionCommand,
  manualCommand,
  versionCommand,
]

/** The program `ostler`, ready to parse. */
export function clientProgram(workplace: Workplace): Command {
  const program = new Command('ostler')
    .description('Use your desktops on an Ostler or QVD server.')
    .version(CLIENT_VERSION)
    .showHelpAfterError()
  for (const command of COMMANDS) program.addCommand(command(workplace).showHelpAfterError())
  return program
}
