import { upgradeApi } from '@ostler/contract/agent-api.ts'
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { showSession, type ViewerParts } from './viewer.ts'

/**
 * Shows the running session to the support: RFB on the connection that asked, once the user agreed.
 * @throws Fault `session.busy` before anything was answered.
 */
export async function supportView(
  parts: ViewerParts,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const [near, far] = await socketPair(parts.config()['path.run'])
  // An x11vnc cannot speak TLS on a descriptor that Node holds: it gets one end of a pair, and we carry the bytes.
  try {
    const viewer = showSession(parts, far, true)
    parts.log.info('support view opened', { audit: true, from: request.socket.remoteAddress })
    viewer.once('exit', () => parts.log.info('support view closed', { audit: true }))
  } catch (error) {
    near.destroy()
    far.destroy()
    throw error
  }
  const token = upgradeApi.vnc_connect.protocol
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${token}\r\n\r\n`)
  if (head.length > 0) near.write(head)
  const ends = [pipeline(socket, near), pipeline(near, socket)]
  Promise.all(ends)
    .catch(() => {}) // an end that vanished is the normal end of a view
    .finally(() => {
      near.destroy()
      socket.destroy()
    })
}

/** Two connected unix sockets; the name between them exists for a moment, in a folder of root's. */
async function socketPair(folder: string): Promise<[Socket, Socket]> {
  const path = join(folder, `view-${randomBytes(8).toString('hex')}`)
  const server = createServer({ pauseOnConnect: true })
  try {
    const accepted = new Promise<Socket>((resolve, reject) => {
      server.once('connection', resolve)
      server.once('error', reject)
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, resolve)
    })
    const near = connect(path)
    near.on('error', () => near.destroy())
    const failed = new Promise<never>((_, reject) => near.once('error', reject))
    return [near, await Promise.race([accepted, failed])]
  } finally {
    server.close()
    rmSync(path, { force: true })
  }
}
