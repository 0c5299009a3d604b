import type { DesktopListItem } from '@ostler/contract/desktop.ts'
import type { StartEvent as DoorEvent } from '@ostler/contract/timeline.ts'
import { phrases } from './shared/language.ts'

export type { DesktopListItem }

/** As the door tells it; a line that broke on the way is a failure that may pass. */
export type StartEvent =
  | Exclude<DoorEvent, { kind: 'failed' }>
  | (Extract<DoorEvent, { kind: 'failed' }> & { readonly isLost?: boolean })

const say = phrases({
  unreachable: ['The server cannot be reached.', 'No se puede conectar con el servidor.'],
  network: ['Check your network and try again.', 'Compruebe la red y vuelva a intentarlo.'],
  status: ['The server answered {status}', 'El servidor respondió {status}'],
  lost: ['The connection to the server was lost.', 'Se perdió la conexión con el servidor.'],
  tryAgain: ['Try again.', 'Vuelva a intentarlo.'],
})

/** A failure with a sentence for the user, and what she may try. */
export class DoorError extends Error {
  readonly status: number
  readonly advice: string

  constructor(status: number, text: string, advice: string) {
    super(text)
    this.status = status
    this.advice = advice
  }
}

/** Addresses are relative to the page, so that the portal works behind a prefix. */
async function call(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Response> {
  let response: Response
  try {
    response = await fetch(`./api/${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
    })
  } catch {
    throw new DoorError(0, say('unreachable'), say('network'))
  }
  if (response.ok) return response
  const fault = (await response.json().catch(() => ({}))) as { text?: string; advice?: string }
  throw new DoorError(
    response.status,
    sentence(fault.text ?? say('status', { status: response.status })),
    fault.advice ?? '',
  )
}

/** @param code a second factor, if she has one. */
export async function signIn(login: string, password: string, code?: string): Promise<void> {
  await call('POST', 'sign-in', { login, password, ...(code ? { code } : {}) })
}

/** Where to sign in without a password of ours; `undefined` when there is no such place. */
export async function findProvider(): Promise<string | undefined> {
  const { label } = (await (await call('GET', 'oidc')).json()) as { label?: string }
  return label
}

/** The address that leads there. */
export const PROVIDER_START = './api/oidc/start'

/** A device that waits to be confirmed. */
export interface AskingDevice {
  /** What it says that it is. */
  readonly client: string
  readonly address: string
  /** ISO 8601. */
  readonly at: string
}

export async function showDevice(code: string): Promise<AskingDevice> {
  const response = await call('POST', 'pair/show', { user_code: code })
  return (await response.json()) as AskingDevice
}

export async function answerDevice(code: string, allow: boolean): Promise<void> {
  await call('POST', 'pair/confirm', { user_code: code, allow })
}

export async function signOut(): Promise<void> {
  await call('POST', 'sign-out')
}

/** What a user finds when she comes in. */
export interface Found {
  readonly login: string
  readonly desktops: readonly DesktopListItem[]
  /** Flavours of which she may make one more desktop. */
  readonly toMake: readonly string[]
}

export async function listDesktops(): Promise<Found> {
  const response = await call('GET', 'desktops')
  return (await response.json()) as Found
}

/** Makes a desktop of a flavour. */
export async function makeDesktop(osf: string): Promise<void> {
  await call('POST', 'desktops', { osf })
}

export async function stopDesktop(id: number): Promise<void> {
  await call('POST', `desktops/${id}/stop`)
}

/** Starts a desktop and tells what happens, until it is ready or has failed. Returns a function that stops listening. */
export function startDesktop(id: number, onEvent: (event: StartEvent) => void): () => void {
  const source = new EventSource(`./api/desktops/${id}/start`)
  source.addEventListener('message', (message: MessageEvent<string>) => {
    const event = JSON.parse(message.data) as DoorEvent
    if (event.kind === 'ready' || event.kind === 'failed') source.close()
    onEvent(event)
  })
  source.addEventListener('error', () => {
    source.close()
    onEvent({ kind: 'failed', text: say('lost'), advice: say('tryAgain'), isLost: true })
  })
  return () => source.close()
}

/** Opens a desktop's display; its close reason is a sentence for the user. */
export function openDisplay(id: number, size: { width: number; height: number }): WebSocket {
  const address = new URL(`./desktops/${id}/display`, location.href)
  address.protocol = 'wss:'
  address.search = new URLSearchParams({ 'qvd.client.geometry': `${size.width}x${size.height}` }).toString()
  return new WebSocket(address, 'binary')
}

/** First letter in upper case, a stop at the end. */
export function sentence(text: string): string {
  const trimmed = text.trim().replace(/\.$/, '')
  return `${trimmed.charAt(0).toUpperCase()}${trimmed.slice(1)}.`
}

/** What went wrong, in words, with what may be tried. */
export function problemText(error: unknown): string {
  return error instanceof DoorError ? `${error.message} ${error.advice}`.trim() : String(error)
}
