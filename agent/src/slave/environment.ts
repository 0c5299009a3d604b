import { join } from 'node:path'
import type { AgentValues } from '../config/options.ts'

/** Where the agent listens for streams of the client, and for programs that want something opened there. */
export function slaveSockets(config: AgentValues): { readonly slave: string; readonly open: string } {
  const run = config['path.run']
  return { slave: join(run, 'slave.sock'), open: join(run, 'open.sock') }
}

/**
 * What nxagent, and with it the session, is told of the slave channel: the program that it starts for each stream of the client.
 * That is ours, which carries the stream to the agent; `vma.slave.command` means another one unless it is what QVD ships.
 * @param bundle the folder of our programs.
 */
export function slaveEnvironment(config: AgentValues, bundle: string): Record<string, string> {
  const { slave, open } = slaveSockets(config)
  const wanted = config['vma.slave.command']
  const shipped = join(config['path.qvd.bin'], 'qvd-vma-slaveserver')
  const command = wanted === shipped ? join(bundle, 'ostler-slave') : wanted
  return {
    NX_SLAVE_CMD: command,
    QVD_SLAVE_CMD: command,
    OSTLER_SLAVE_SOCKET: slave,
    OSTLER_OPEN_SOCKET: open,
  }
}
