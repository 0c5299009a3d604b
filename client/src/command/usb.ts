import { Command } from 'commander'
import { listSharedUsb, listUsb, shareUsb, stopUsb } from '../usb/usb-commands.ts'
import type { Workplace } from './workplace.ts'

const OPEN_DESKTOP = ['-d, --desktop <name>', 'the open desktop, if there are several'] as const
const DEVICE = ['<device>', 'its place here, as 1-2.3, or vendor and product, as 046d:c31c'] as const

interface OfOpenDesktop {
  readonly desktop?: string
}

export function usbCommand({ terminal }: Workplace): Command {
  const print = (line: string): void => terminal.print(line)
  const usb = new Command('usb').description('USB devices of this machine in an open desktop')
  usb
    .command('list')
    .description('list the devices of this machine')
    .action(() => listUsb(print))
  usb
    .command('share')
    .description('give one to an open desktop; this machine has it no more')
    .argument(...DEVICE)
    .option(...OPEN_DESKTOP)
    .action((word: string, { desktop }: OfOpenDesktop) => shareUsb(word, desktop, print))
  usb
    .command('shared')
    .description('list those that an open desktop has')
    .option(...OPEN_DESKTOP)
    .action(({ desktop }: OfOpenDesktop) => listSharedUsb(desktop, print))
  usb
    .command('stop')
    .description('take one back')
    .argument(...DEVICE)
    .option(...OPEN_DESKTOP)
    .action((word: string, { desktop }: OfOpenDesktop) => stopUsb(word, desktop))
  return usb
}
