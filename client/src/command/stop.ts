import { Command } from 'commander'
import { stopDesktop } from '../commands.ts'
import { openDoor, withServer } from './server-options.ts'
import type { Workplace } from './workplace.ts'

export function stopCommand(workplace: Workplace): Command {
  return withServer(new Command('stop').description('stop a desktop: its programs end'))
    .option('-d, --desktop <name>', 'name or number of the desktop, if you have several')
    .action(async (host: string | undefined, _: unknown, command: Command) => {
      const { door, settings } = await openDoor(workplace, command, host)
      await stopDesktop(door, settings.config.values['client.desktop'], workplace.terminal)
    })
}
