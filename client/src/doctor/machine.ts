import { Fault } from '@ostler/contract/fault.ts'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findViewer, locate, type ViewerDisplay } from '../viewers.ts'
import { type Chain, NotChecked } from './examine.ts'

const CONNECT_MS = 5_000

/** This machine: a screen, and the programs that show a desktop on it. */
export function thisMachine(
  environment: NodeJS.ProcessEnv,
  {
    display,
    viewer,
    nxproxy,
  }: { display: 'nx' | ViewerDisplay; viewer: string | undefined; nxproxy: string },
): readonly Chain[] {
  return [
    [
      {
        name: 'screen',
        look: async () => {
          const name = environment['DISPLAY'] ?? ''
          if (name === '') throw new Fault('client.noDisplay')
          await reachScreen(name)
          return `${name} answers`
        },
      },
    ],
    [
      {
        name: display === 'nx' ? 'nxproxy' : 'viewer',
        look: () => Promise.resolve(display === 'nx' ? proxyPath(nxproxy) : findViewer(display, viewer).path),
      },
    ],
    [
      {
        name: 'keyring',
        look: () => {
          const path = locate('secret-tool')
          if (path === undefined) throw new NotChecked('there is no secret-tool; passwords are asked for')
          return Promise.resolve(path)
        },
      },
    ],
  ]
}

function proxyPath(nxproxy: string): string {
  const path = locate(nxproxy)
  if (path === undefined)
    throw new Fault('client.displayFailed', { program: 'nxproxy', reason: `there is no ${nxproxy}` })
  return path
}

/** Connects as X programs do: by a unix socket, or by TCP where a host is named. */
async function reachScreen(name: string): Promise<void> {
  const match = /^(?:(.*?)(?:\/unix)?):(\d+)(?:\.\d+)?$/.exec(name)
  const number = match?.[2]
  if (number === undefined) throw unreachable(name, 'it is no display')
  const host = match?.[1] ?? ''
  const sockets = join(process.platform === 'win32' ? tmpdir() : '/tmp', '.X11-unix')
  const at =
    host === '' || host === 'unix'
      ? { path: join(sockets, `X${number}`) }
      : { host, port: 6_000 + Number(number) }
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ ...at, timeout: CONNECT_MS })
    const fail = (reason: string): void => {
      socket.destroy()
      reject(unreachable(name, reason))
    }
    socket.once('connect', () => {
      socket.destroy()
      resolve()
    })
    socket.once('timeout', () => fail('it does not answer'))
    socket.once('error', (error) => fail(error.message))
  })
}

function unreachable(display: string, reason: string): Fault {
  return new Fault('client.displayFailed', { program: `the X server ${display}`, reason })
}
