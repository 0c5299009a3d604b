import { Fault } from '@ostler/contract/fault.ts'
import { chmodSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { SharedFolders } from '../folders/shared-folders.ts'
import type { SharedDevices } from '../usb/shared-devices.ts'
import { controlFolder } from './control-folder.ts'
import { type ControlAsk, controlAsk } from './control-words.ts'

/** What can be asked about and changed in an open desktop. */
export interface Controlled {
  /** Its name. */
  readonly desktop: string
  readonly folders: SharedFolders
  readonly usb: SharedDevices
}

/**
 * Listens, while a desktop is open, to the user's other programs: a socket of this process in a folder of hers.
 * @throws Fault `client.noConnection`, the system's errors.
 */
export async function serveControl(controlled: Controlled): Promise<AsyncDisposable> {
  const path = join(controlFolder(), `${process.pid}.sock`)
  rmSync(path, { force: true }) // of a process with our number, which is no more
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => sockets.delete(socket))
    createInterface(socket).once('line', (line) => void answer(controlled, line, socket))
  })
  server.listen(path)
  await once(server, 'listening')
  chmodSync(path, 0o600)
  return {
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((closed) => server.close(closed)) // which removes the socket
    },
  }
}

/** Never rejects. */
async function answer(controlled: Controlled, line: string, socket: Socket): Promise<void> {
  try {
    socket.end(`${JSON.stringify(await obey(controlled, readAsk(line)))}\n`)
  } catch (error) {
    const reference = error instanceof Error ? error.message : String(error)
    const fault = error instanceof Fault ? error : new Fault('server.internal', { reference })
    socket.end(`${JSON.stringify(fault)}\n`)
  }
}

function readAsk(line: string): ControlAsk {
  try {
    return controlAsk.parse(JSON.parse(line))
  } catch (cause) {
    throw new Fault('request.invalid', { problem: 'this is no question of ours' }, { cause })
  }
}

async function obey({ desktop, folders, usb }: Controlled, ask: ControlAsk): Promise<unknown> {
  switch (ask.do) {
    case 'about':
      return { desktop }
    case 'shares':
      return folders.list()
    case 'share':
      return await folders.add(ask)
    case 'unshare':
      await folders.remove(ask.word)
      return {}
    case 'usb':
      return usb.list()
    case 'usb share':
      return await usb.add(ask.word)
    case 'usb stop':
      await usb.remove(ask.word)
      return {}
  }
}
