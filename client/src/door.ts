import { type ClientOptions, clientParameters } from '@ostler/contract/client-options.ts'
import {
  DISPLAY_TICKET_PATH,
  type DesktopListItem,
  NX_UPGRADE,
  TICKET_HEADER,
  VM_INFO_HEADER,
} from '@ostler/contract/desktop.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { Secret } from '@ostler/kit/secret.ts'
import type { Duplex } from 'node:stream'
import type { ViewerDisplay } from './viewers.ts'
import { connectTrusted, type Server, type TrustSettings } from './trust.ts'
import { type Head, readBody, readUpgrade, type UpgradeResult } from './upgrade.ts'

/** Who we are: by a name and its password, or by a token. */
export type Account = { readonly user: string; readonly password: Secret } | { readonly token: Secret }

/** A stream that a server has opened, and what already came on it. */
export interface DisplayStream {
  readonly stream: Duplex
  readonly head: Buffer
}

/** How a desktop is opened. */
export interface ConnectRequest {
  readonly display: 'nx' | ViewerDisplay
  readonly options: ClientOptions
}

/** A server, and who we are there. */
export interface Door {
  list(): Promise<readonly DesktopListItem[]>
  /**
   * Opens a desktop's display.
   * @param progress gets what the server says while the desktop starts.
   * @returns its stream; for SPICE also what opens the further channels.
   */
  connect(
    vmId: number,
    request: ConnectRequest,
    progress: (text: string) => void,
  ): Promise<DisplayStream & { further: (() => Promise<DisplayStream>) | undefined }>
}

export function doorAt(server: Server, account: Account, trust: TrustSettings): Door {
  const headers = { Host: `${server.host}:${server.port}`, Authorization: authorization(account) }
  const ask = async (
    path: string,
    more: Readonly<Record<string, string>>,
    onInterim: (head: Head) => void,
  ): Promise<{ stream: Duplex; answer: UpgradeResult }> => {
    const stream = await connectTrusted(server, trust)
    const lines = Object.entries({ ...headers, ...more }).map(([name, value]) => `${name}: ${value}\r\n`)
    stream.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`)
    try {
      return { stream, answer: await readUpgrade(stream, onInterim) }
    } catch (cause) {
      stream.destroy()
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new Fault('client.unreachable', { host: server.host, port: server.port, reason }, { cause })
    }
  }
  return {
    list: async () => {
      const { stream, answer } = await ask('/qvd/list_of_vm', { Accept: 'application/json' }, () => {})
      const body = await readBody(stream, answer)
      stream.destroy()
      if (answer.head.status !== 200) throw refusal(server, answer.head.status, body)
      return JSON.parse(body) as DesktopListItem[]
    },
    connect: async (vmId, { display, options }, progress) => {
      const token = display === 'nx' ? NX_UPGRADE : display
      const open = async (path: string, more: Readonly<Record<string, string>>) => {
        const upgrade = { Connection: 'Upgrade', Upgrade: token, ...more }
        const { stream, answer } = await ask(path, upgrade, (head) => {
          progress(printable(head.headers.get(VM_INFO_HEADER.toLowerCase()) ?? ''))
        })
        if (answer.head.status === 101) return { stream, head: answer.rest, headers: answer.head.headers }
        const body = await readBody(stream, answer)
        stream.destroy()
        throw refusal(server, answer.head.status, body)
      }
      const path = `/qvd/connect_to_vm?id=${vmId}&${clientParameters(options).toString()}`
      const { stream, head, headers: said } = await open(path, {})
      const ticket = said.get(TICKET_HEADER.toLowerCase())
      const further =
        ticket === undefined
          ? undefined
          : () => open(DISPLAY_TICKET_PATH, { Authorization: `Bearer ${ticket}` })
      return { stream, head, further }
    },
  }
}

function authorization(account: Account): string {
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  return 'token' in account
    ? `Bearer ${base64(account.token.reveal())}`
    : `Basic ${base64(`${account.user}:${account.password.reveal()}`)}`
}

function refusal(server: Server, status: number, body: string): Fault {
  return status === 401
    ? new Fault('auth.required')
    : new Fault('client.refused', { host: server.host, status, text: printable(body.trim()) })
}

/** What a server says is shown on a terminal, which obeys control characters. */
function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ')
}
