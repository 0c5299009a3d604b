import { type ClientOptions, clientParameters } from '@ostler/contract/client-options.ts'
import {
  DISPLAY_TICKET_PATH,
  type DesktopListItem,
  FAULT_HEADER,
  NX_UPGRADE,
  SEAT_HEADER,
  SEAT_PATH,
  type SeatFate,
  SLAVE_KEY_HEADER,
  TICKET_HEADER,
  VM_INFO_HEADER,
} from '@ostler/contract/desktop.ts'
import { Fault, type FaultDetail, faultFromBody } from '@ostler/contract/fault.ts'
import {
  TUNNEL_PATH,
  TUNNEL_TICKET_PATH,
  TUNNEL_UPGRADE,
  type TunnelTicket,
  type UserTunnel,
} from '@ostler/contract/tunnel.ts'
import { Secret } from '@ostler/kit/secret.ts'
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
  /** Options for nxagent that are passed on; none when empty. */
  readonly agentOptions?: string
  /** Further parameters for the session. */
  readonly more?: Readonly<Record<string, string>>
}

/** An open display. */
export interface OpenDisplay extends DisplayStream {
  /** Opens the further channels of SPICE. */
  readonly further: (() => Promise<DisplayStream>) | undefined
  /** The seat that was taken; `undefined` from a server that does not tell. */
  readonly seat: string | undefined
  /** The key of the slave channel, with NX. */
  readonly slaveKey: Secret | undefined
}

/** A server, and who we are there. */
export interface Door {
  list(): Promise<readonly DesktopListItem[]>
  /**
   * Opens a desktop's display.
   * @param progress gets what the server says while the desktop starts.
   */
  connect(vmId: number, request: ConnectRequest, progress: (text: string) => void): Promise<OpenDisplay>
  /** Stops a desktop, and returns when it has stopped. */
  stop(vmId: number, progress: (text: string) => void): Promise<void>
  /** Asks what has become of a seat. */
  fateOf(seat: string): Promise<SeatFate>
  /** Opens a stream for one folder of this machine to a running desktop (contract/folder-stream.ts). */
  openFolder(vmId: number): Promise<DisplayStream>
  /** Opens one for a USB device of this machine (contract/usb-stream.ts). */
  openUsb(vmId: number): Promise<DisplayStream>
}

/** What a door may need besides. */
export interface DoorSettings {
  /** Variables that the server's plugins may see, by name. */
  readonly shared?: ReadonlyMap<string, string>
  /** Ends every request that has no answer yet. */
  readonly signal?: AbortSignal
}

/**
 * Every procedure throws Fault `client.unreachable`, what the server refuses with, or as `connectTrusted`.
 */
export function doorAt(
  server: Server,
  account: Account,
  trust: TrustSettings,
  { shared = new Map(), signal }: DoorSettings = {},
): Door {
  const headers = {
    Host: `${server.host}:${server.port}`,
    Authorization: authorization(account),
    ...environmentHeaders(shared),
  }
  const ask = async (
    path: string,
    more: Readonly<Record<string, string>>,
    onInterim: (head: Head) => void,
  ): Promise<{ stream: Duplex; answer: UpgradeResult }> => {
    const stream = await connectTrusted(server, trust)
    const abort = (): void => void stream.destroy()
    if (signal?.aborted === true) abort()
    signal?.addEventListener('abort', abort, { once: true })
    const lines = Object.entries({ ...headers, ...more }).map(([name, value]) => `${name}: ${value}\r\n`)
    stream.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`)
    try {
      return { stream, answer: await readUpgrade(stream, onInterim) }
    } catch (cause) {
      stream.destroy()
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new Fault('client.unreachable', { host: server.host, port: server.port, reason }, { cause })
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }
  const get = async (path: string, onInterim: (head: Head) => void = () => {}): Promise<string> => {
    const { stream, answer } = await ask(path, { Accept: 'application/json' }, onInterim)
    const body = await readBody(stream, answer)
    stream.destroy()
    if (answer.head.status !== 200) throw refusal(server, answer.head, body)
    return body
  }
  const openTunnel = async (vmId: number, kind: UserTunnel): Promise<DisplayStream> => {
    const { ticket } = parsed(server, await get(`${TUNNEL_TICKET_PATH}?id=${vmId}&kind=${kind}`), isTicket)
    const upgrade = { Connection: 'Upgrade', Upgrade: TUNNEL_UPGRADE, Authorization: `Bearer ${ticket}` }
    const { stream, answer } = await ask(TUNNEL_PATH, upgrade, () => {})
    if (answer.head.status === 101) return { stream, head: answer.rest }
    const body = await readBody(stream, answer)
    stream.destroy()
    throw faultIn(body) ?? refusal(server, answer.head, body)
  }
  return {
    list: async () => parsed(server, await get('/qvd/list_of_vm'), isList),
    openFolder: (vmId) => openTunnel(vmId, 'folder'),
    openUsb: (vmId) => openTunnel(vmId, 'usb'),
    stop: async (vmId, progress) => {
      await get(`/qvd/stop_vm?id=${vmId}`, (head) => progress(infoOf(head)))
    },
    fateOf: async (seat) =>
      parsed(server, await get(`${SEAT_PATH}?seat=${encodeURIComponent(seat)}`), isFate),
    connect: async (vmId, { display, options, agentOptions = '', more = {} }, progress) => {
      const token = display === 'nx' ? NX_UPGRADE : display
      const open = async (path: string, added: Readonly<Record<string, string>>) => {
        const upgrade = { Connection: 'Upgrade', Upgrade: token, ...added }
        const { stream, answer } = await ask(path, upgrade, (head) => progress(infoOf(head)))
        if (answer.head.status === 101) return { stream, head: answer.rest, headers: answer.head.headers }
        const body = await readBody(stream, answer)
        stream.destroy()
        throw refusal(server, answer.head, body)
      }
      const parameters = new URLSearchParams([...clientParameters(options), ...Object.entries(more)])
      if (agentOptions !== '') parameters.set('qvd.client.nxagent.extra_args', agentOptions)
      const path = `/qvd/connect_to_vm?id=${vmId}&${parameters.toString()}`
      const { stream, head, headers: said } = await open(path, {})
      const ticket = said.get(TICKET_HEADER.toLowerCase())
      const further =
        ticket === undefined
          ? undefined
          : () => open(DISPLAY_TICKET_PATH, { Authorization: `Bearer ${ticket}` })
      const key = said.get(SLAVE_KEY_HEADER.toLowerCase())
      const slaveKey = key === undefined ? undefined : new Secret(key)
      return { stream, head, further, seat: said.get(SEAT_HEADER.toLowerCase()), slaveKey }
    },
  }
}

function authorization(account: Account): string {
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  return 'token' in account
    ? `Bearer ${base64(account.token.reveal())}`
    : `Basic ${base64(`${account.user}:${account.password.reveal()}`)}`
}

/** QVD's way to tell plugins the environment (compatibility page 1.2): the name in hexadecimal, the value in Base64. */
function environmentHeaders(shared: ReadonlyMap<string, string>): Record<string, string> {
  return Object.fromEntries(
    [...shared].map(([name, value]) => [
      `Auth-${Buffer.from(name).toString('hex')}`,
      Buffer.from(value).toString('base64'),
    ]),
  )
}

function refusal(server: Server, head: Head, body: string): Fault {
  const told = faultIn(head.headers.get(FAULT_HEADER.toLowerCase()))
  if (told !== undefined) return told
  return head.status === 401
    ? new Fault('auth.required')
    : new Fault('client.refused', { host: server.host, status: head.status, text: printable(body.trim()) })
}

function faultIn(text: string | undefined): Fault | undefined {
  if (text === undefined) return undefined
  try {
    return toldFault(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** A fault that a server tells: what is in it is shown on a terminal. @returns `undefined` when `body` is none. */
export function toldFault(body: unknown): Fault | undefined {
  const fault = faultFromBody(body)
  if (fault === undefined) return undefined
  const detail = Object.entries(fault.detail).map(([name, value]) => [
    name,
    typeof value === 'string' ? printable(value) : value,
  ])
  return new Fault(fault.code, Object.fromEntries(detail) as FaultDetail)
}

function parsed<T>(server: Server, body: string, holds: (value: unknown) => value is T): T {
  try {
    const value: unknown = JSON.parse(body)
    if (holds(value)) return value
  } catch {
    // told below
  }
  throw new Fault('client.refused', { host: server.host, status: 200, text: 'its answer cannot be read' })
}

function isList(value: unknown): value is DesktopListItem[] {
  return Array.isArray(value)
}

function isTicket(value: unknown): value is TunnelTicket {
  return typeof (value as Partial<TunnelTicket> | null)?.ticket === 'string'
}

function isFate(value: unknown): value is SeatFate {
  const fate = (value as Partial<SeatFate> | null)?.fate
  return fate === 'held' || fate === 'free' || fate === 'ended'
}

function infoOf(head: Head): string {
  return printable(head.headers.get(VM_INFO_HEADER.toLowerCase()) ?? '')
}

/** What a server says is shown on a terminal, which obeys control characters. */
function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ')
}
