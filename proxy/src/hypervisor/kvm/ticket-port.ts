import type { BootTicket } from '@ostler/contract/identity.ts'
import { openSocketName } from '@ostler/kit/socket-name.ts'
import { connect, type Socket } from 'node:net'
import type { TicketPlace } from '../hypervisor.ts'

/** An agent that was restarted has not read what another has; so a ticket is said again. */
const AGAIN_MS = 2_000

/**
 * Brings boot tickets into a guest through its virtio port: a line of JSON each, and the newest counts. Whatever the
 * guest writes is dropped. What fails is tried again with the next ticket, or the same.
 *
 * @param path the socket of the port, in QEMU's folder.
 */
export function ticketPort(path: string): TicketPlace {
  let socket: Socket | undefined
  let said = { text: '', at: -Infinity }

  const open = (): Socket => {
    using name = openSocketName(path)
    const opened = connect(name.path)
    opened.on('error', () => opened.destroy())
    opened.on('close', () => {
      if (socket === opened) close()
    })
    opened.resume()
    return opened
  }
  const close = (): void => {
    socket?.destroy()
    socket = undefined
    said = { text: '', at: -Infinity }
  }
  return {
    put: (ticket: BootTicket) => {
      // In a machine of its own, the door's number is anybody's; displays come out through the agent, which is root.
      const text = JSON.stringify({ ...ticket, displayUid: 0 })
      const now = performance.now()
      if (text === said.text && now - said.at < AGAIN_MS) return
      socket ??= open()
      // The guest does not read: what lies there already is enough.
      if (socket.writableLength > 0 && !socket.connecting) return
      socket.write(`${text}\n`)
      said = { text, at: now }
    },
    clear: close,
    close,
  }
}
