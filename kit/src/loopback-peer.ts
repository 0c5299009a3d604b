import { existsSync, readFileSync } from 'node:fs'
import type { Socket } from 'node:net'

/** 127.0.0.1 as the kernel lists it, of a socket for IPv4 and of one for both. */
const LOOPBACK = [
  ['/proc/self/net/tcp', '0100007F'],
  ['/proc/self/net/tcp6', '0000000000000000FFFF00000100007F'],
] as const

/** Whose program is at the other end of a connection over 127.0.0.1, as the kernel says; `undefined` where it cannot tell. */
export function loopbackPeer({
  localPort,
  remotePort,
}: Pick<Socket, 'localPort' | 'remotePort'>): number | undefined {
  const hex = (port = 0): string => port.toString(16).toUpperCase().padStart(4, '0')
  for (const [table, address] of LOOPBACK) {
    if (!existsSync(table)) continue
    for (const line of readFileSync(table, 'latin1').split('\n')) {
      const [, local, remote, , , , , uid] = line.trim().split(/\s+/)
      if (local === `${address}:${hex(remotePort)}` && remote === `${address}:${hex(localPort)}`)
        return Number(uid)
    }
  }
  return undefined
}
