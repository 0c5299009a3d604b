import { Command } from 'commander'
import { listShares, shareFolder, unshareFolder } from '../folders/share-commands.ts'
import type { Workplace } from './workplace.ts'

const OPEN_DESKTOP = ['-d, --desktop <name>', 'the open desktop, if there are several'] as const

interface OfOpenDesktop {
  readonly desktop?: string
}

export function shareCommand({ terminal }: Workplace): Command {
  return new Command('share')
    .description('give an open desktop a folder of this machine')
    .argument('<path[=name][:ro]>', 'the folder')
    .option(...OPEN_DESKTOP)
    .action((path: string, { desktop }: OfOpenDesktop) =>
      shareFolder(path, desktop, (line) => terminal.print(line)),
    )
}

export function unshareCommand(): Command {
  return new Command('unshare')
    .description('take a folder back from an open desktop')
    .argument('<folder>', 'its name in the desktop, or its path here')
    .option(...OPEN_DESKTOP)
    .action((folder: string, { desktop }: OfOpenDesktop) => unshareFolder(folder, desktop))
}

export function sharesCommand({ terminal }: Workplace): Command {
  return new Command('shares')
    .description('list the folders that an open desktop has of this machine')
    .option(...OPEN_DESKTOP)
    .action(({ desktop }: OfOpenDesktop) => listShares(desktop, (line) => terminal.print(line)))
}
