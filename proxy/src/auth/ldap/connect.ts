import { once } from 'node:events'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { Exchange } from './exchange.ts'
import type { DirectoryAddress } from './settings.ts'
import { DirectoryTrouble, troubleOf } from './trouble.ts'
import type { TrustedCertificates } from './trusted-certificates.ts'

/** How a directory is connected to. */
export interface ConnectOptions {
  /** Encrypts `ldap://` before anything else is said. */
  readonly startTls: boolean
  readonly trusted: TrustedCertificates
}

/**
 * Connects to a directory: plainly, by TLS, or by StartTLS. Its certificate must be good for the host name in the
 * address, whatever the environment of this process says.
 *
 * @param signal closes the connection, also when it is open already.
 * @throws DirectoryTrouble.
 */
export async function connectDirectory(
  address: DirectoryAddress,
  { startTls, trusted }: ConnectOptions,
  signal: AbortSignal,
): Promise<Exchange> {
  const { host, port } = address
  const plain = connectTcp({ host, port, noDelay: true })
  closeWith(plain, signal)
  await connected(plain, 'connect', (cause) => `cannot be reached: ${cause.message}`)
  if (!address.tls && !startTls) return new Exchange(plain)
  try {
    const secureContext = await trusted.context()
    if (!address.tls) {
      const result = await new Exchange(plain).startTls()
      if (result.code !== 0) throw troubleOf('StartTLS', result, 'it cannot encrypt: see its configuration')
    }
    const secure = connectTls({
      socket: plain,
      host,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      secureContext,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
    })
    closeWith(secure, signal)
    await connected(secure, 'secureConnect', (cause) => `cannot be trusted: ${describe(cause)}`)
    return new Exchange(secure)
  } catch (error) {
    plain.destroy()
    throw error
  }
}

function closeWith(socket: Socket, signal: AbortSignal): void {
  const close = (): void => void socket.destroy()
  if (signal.aborted) close()
  signal.addEventListener('abort', close, { once: true })
  socket.once('close', () => signal.removeEventListener('abort', close))
}

async function connected(socket: Socket, event: string, words: (cause: Error) => string): Promise<void> {
  // One stays for good: an error without a listener would end the process.
  socket.on('error', () => {})
  const over = new AbortController()
  try {
    await Promise.race([
      once(socket, event, { signal: over.signal }),
      once(socket, 'close', { signal: over.signal }).then(() => {
        throw new Error('the connection was closed')
      }),
    ])
  } catch (error) {
    socket.destroy()
    const cause = error instanceof AggregateError ? (error.errors[0] as Error) : (error as Error)
    throw new DirectoryTrouble(words(cause), { isDown: true, cause })
  } finally {
    over.abort()
  }
}

function describe(cause: Error & { code?: unknown }): string {
  return typeof cause.code === 'string' ? `${cause.message} (${cause.code})` : cause.message
}
