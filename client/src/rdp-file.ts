import { Fault } from '@ostler/contract/fault.ts'
import { loopbackPeer } from '@ostler/kit/loopback-peer.ts'
import { DeadlineExceeded, withDeadline } from '@ostler/kit/deadline.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { rmSync } from 'node:fs'
import { serveDisplay, type ViewedDisplay } from './display-server.ts'
import type { DisplayEnd } from './nx-display.ts'

/** So long we wait until somebody opens the file. */
export const OPEN_WITHIN_MS = 120_000

/**
 * Writes a file that an RDP client opens, and carries what it says until either end closes. RDP clients know no proxy
 * like ours and no unix socket, so the file names a port of this machine, which programs of this user alone may open.
 *
 * @param file written anew, 0600; removed when the client has come, or nobody has.
 * @param tell gets a sentence for the user.
 * @throws Fault `client.displayFailed` when nobody opens it in time; the system's error when the file cannot be written.
 */
export async function showByRdpFile(
  display: ViewedDisplay,
  file: string,
  tell: (line: string) => void,
  signal: AbortSignal,
  withinMs = OPEN_WITHIN_MS,
): Promise<DisplayEnd> {
  const mine = process.getuid?.()
  // Where the kernel does not tell whose a connection is, whoever comes first has it.
  const admit =
    mine === undefined ? undefined : (link: Parameters<typeof loopbackPeer>[0]) => loopbackPeer(link) === mine
  using server = await serveDisplay(display, { host: '127.0.0.1', port: 0 }, admit)
  const aborted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  writeWhole(file, rdpFile(server.port ?? 0), { mode: 0o600 })
  try {
    tell(`Open ${file} with your RDP client within ${Math.round(withinMs / 1_000)} seconds.`)
    await withDeadline('an RDP client', withinMs, () =>
      Promise.race([server.came, server.end, aborted]),
    ).catch((cause: unknown) => {
      if (!(cause instanceof DeadlineExceeded)) throw cause
      throw new Fault(
        'client.displayFailed',
        { program: 'an RDP client', reason: `nobody opened ${file}` },
        { cause },
      )
    })
  } finally {
    rmSync(file, { force: true })
  }
  return await Promise.race([server.end, aborted.then(() => 'window closed' as const)])
}

/** What Microsoft's client, FreeRDP and Remmina read: `name:type:value` in lines. The door has asked who she is: nothing is asked here. */
function rdpFile(port: number): string {
  const lines = [
    `full address:s:127.0.0.1:${port}`,
    'username:s:ostler',
    'password:s:ostler',
    'authentication level:i:0',
    'enablecredsspsupport:i:0',
    'negotiate security layer:i:1',
    'prompt for credentials:i:0',
    'redirectclipboard:i:0',
    'redirectprinters:i:0',
    'redirectdrives:i:0',
    'autoreconnection enabled:i:0',
  ]
  return `${lines.join('\r\n')}\r\n`
}
