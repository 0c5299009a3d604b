import { Command } from 'commander'
import { manualPage } from '../manual-page.ts'
import type { Workplace } from './workplace.ts'

export function manualCommand({ terminal }: Workplace): Command {
  return new Command('manual')
    .description('print the manual page, for man(1)')
    .action((_: unknown, command: Command) => terminal.print(manualPage(command.parent ?? command)))
}
