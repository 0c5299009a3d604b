import { Command } from 'commander'
import { behindDoor } from '../doctor/desktop.ts'
import { examine } from '../doctor/examine.ts'
import { thisMachine } from '../doctor/machine.ts'
import { wayTo } from '../doctor/way.ts'
import { serverOf, signIn, trustOf } from '../sign-in.ts'
import { requestOf, withConnection, wantedDesktop } from './connect.ts'
import { settingsFor, signInParts, withServer } from './server-options.ts'
import type { Workplace } from './workplace.ts'

export function doctorCommand(workplace: Workplace): Command {
  const { terminal, environment } = workplace
  return withConnection(
    withServer(new Command('doctor').description('look at everything between you and your desktop')),
  )
    .option('--start', 'start and open the desktop, too: that cuts whoever sits there')
    .action(async (host: string | undefined, options: { start?: boolean }, command: Command) => {
      const settings = settingsFor(workplace, command, host)
      const { values } = settings.config
      const parts = signInParts(workplace, command, settings)
      const server = serverOf(settings)
      const behind = behindDoor({
        door: () => signIn(parts),
        wanted: wantedDesktop(values),
        request: requestOf(values),
        opens: options.start === true,
      })
      const machine = thisMachine(environment, {
        display: values['client.display'],
        viewer: values['client.viewer'],
        nxproxy: values['command.nxproxy'],
      })
      await examine([[...wayTo(server, trustOf(parts)), ...behind], ...machine], terminal)
    })
}
