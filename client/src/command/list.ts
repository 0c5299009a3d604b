import { Command } from 'commander'
import { listDesktops } from '../commands.ts'
import { openDoor, withServer } from './server-options.ts'
import type { Workplace } from './workplace.ts'

export function listCommand(workplace: Workplace): Command {
  return withServer(new Command('list').description('list your desktops: number, state and name')).action(
    async (host: string | undefined, _: unknown, command: Command) => {
      const { door } = await openDoor(workplace, command, host)
      await listDesktops(door, workplace.terminal)
    },
  )
}
