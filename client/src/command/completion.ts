import { Argument, Command } from 'commander'
import { bashCompletion, zshCompletion } from '../completion.ts'
import type { Workplace } from './workplace.ts'

export function completionCommand({ terminal }: Workplace): Command {
  return new Command('completion')
    .description('print what completes this command line in a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh']))
    .action((shell: string, _: unknown, command: Command) => {
      const program = command.parent ?? command
      terminal.print(shell === 'bash' ? bashCompletion(program) : zshCompletion(program))
    })
}
