import { readFileSync } from 'node:fs'
import { type Socket, SocketAddress } from 'node:net'

/** The kernel's tables of our network namespace; the second is missing where there is no IPv6. */
const TABLES = ['/proc/self/net/tcp', '/proc/self/net/tcp6'] as const
const LOOK_MS = 2_000
/** In the column of timers: what was sent is sent again when it runs out. */
const RESENDING = '01'

/** A connection as both its ends name it. */
interface Ends {
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
  readonly localPort?: number | undefined
}

interface Watched {
  readonly socket: Socket
  readonly patienceMs: number
  /** Since when nothing of ours has been acknowledged; `undefined`: it has been. */
  since: number | undefined
}

/**
 * Closes connections whose other end acknowledges nothing any more. The kernel's own question whether somebody is there rests while bytes
 * are under way, and those it sends again for a quarter of an hour (net.ipv4.tcp_retries2); Node cannot set TCP_USER_TIMEOUT. So the kernel's table
 * of connections is looked at: whoever has been sent the same bytes again, without an answer, for as long as the question would have
 * taken, is gone.
 */
export class DeadLines implements Disposable {
  readonly #watched = new Map<string, Watched>()
  readonly #timer: NodeJS.Timeout

  /** @param tables files in the form of `/proc/net/tcp`. */
  constructor(tables: readonly string[] = TABLES, lookMs = LOOK_MS) {
    this.#timer = setInterval(() => this.#look(tables), lookMs)
    this.#timer.unref()
  }

  /** @param patienceMs for so long it may acknowledge nothing. */
  watch(socket: Socket, patienceMs: number): void {
    const name = nameOf(socket)
    const watched = { socket, patienceMs, since: undefined }
    this.#watched.set(name, watched)
    socket.once('close', () => {
      if (this.#watched.get(name) === watched) this.#watched.delete(name)
    })
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #look(tables: readonly string[]): void {
    if (this.#watched.size === 0) return
    const now = performance.now()
    const resending = new Set(tables.flatMap((table) => [...resendingIn(table)]))
    for (const [name, watched] of this.#watched) {
      watched.since = resending.has(name) ? (watched.since ?? now) : undefined
      if (watched.since === undefined || now - watched.since < watched.patienceMs) continue
      const error = new Error('it has acknowledged nothing any more')
      watched.socket.destroy(Object.assign(error, { code: 'ETIMEDOUT' }))
    }
  }
}

/** Names of the connections of a table on which something was sent again that is not acknowledged yet. */
function* resendingIn(table: string): Generator<string> {
  for (const row of rowsOf(table)) {
    // sl local_address rem_address st tx_queue:rx_queue tr:when retrnsmt …
    const [, local = '', remote = '', , , timer = '', resent = '0'] = row.trim().split(/\s+/)
    if (!timer.startsWith(RESENDING) || Number.parseInt(resent, 16) === 0) continue
    const [address = '', port = ''] = remote.split(':')
    yield nameOf({
      remoteAddress: addressOf(address),
      remotePort: Number.parseInt(port, 16),
      localPort: Number.parseInt(local.slice(local.indexOf(':') + 1), 16),
    })
  }
}

function rowsOf(table: string): readonly string[] {
  try {
    return readFileSync(table, 'latin1').split('\n').slice(1)
  } catch {
    return []
  }
}

/** The kernel prints words of four bytes as numbers of the machine: on all of ours, the last byte first. */
function addressOf(hex: string): string {
  const bytes = Buffer.from(hex, 'hex').swap32()
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16))
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address
}

function nameOf({ remoteAddress = '', remotePort = 0, localPort = 0 }: Ends): string {
  return `${remoteAddress} ${remotePort} ${localPort}`
}
