import { loopbackPeer } from '@ostler/kit/loopback-peer.ts'
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { farewellPage, STYLE } from './page.ts'

/** What the page does. */
export interface Settings {
  /** The page as it stands. */
  readonly show: () => string
  /** Takes a form that was sent. @returns the next page; `end` when it is the last. */
  readonly take: (form: ReadonlyMap<string, string>) => {
    readonly page: string
    readonly end?: 'closed' | 'connect'
  }
}

/** A page that waits for its user. */
export interface SettingsServer extends AsyncDisposable {
  /** Where it is, with a token that opens it once. */
  readonly address: string
  /** How it ended. */
  readonly end: Promise<'closed' | 'connect' | 'forgotten'>
}

const MAX_FORM = 16_384
/** Nobody has touched the page for so long. */
const FORGOTTEN_MS = 15 * 60_000
const COOKIE = 'ostler-settings'

/**
 * Serves the settings page on a port of this machine, to programs of this user alone (docs/decisions/0057): by whose
 * socket it is, by a token that is good once, and by a cookie afterwards. A form is taken from the page itself only.
 */
export async function serveSettings(settings: Settings, forgottenMs = FORGOTTEN_MS): Promise<SettingsServer> {
  const [token, session] = [randomBytes(24).toString('base64url'), randomBytes(24).toString('base64url')]
  const end = Promise.withResolvers<'closed' | 'connect' | 'forgotten'>()
  let isTokenGood = true
  let origin = ''
  const forgotten = setTimeout(() => end.resolve('forgotten'), forgottenMs)

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const at = new URL(request.url ?? '/', origin)
    if (`http://${request.headers.host ?? ''}` !== origin)
      return void refuse(response, 421, 'This is another place.')
    if (request.method === 'GET' && at.pathname === '/style.css')
      return void send(response, 200, STYLE, 'text/css')
    const offered = at.searchParams.get('token')
    if (request.method === 'GET' && offered !== null) {
      if (!isTokenGood || !isSame(offered, token))
        return void refuse(response, 403, 'This address has been used.')
      isTokenGood = false
      const cookie = `${COOKIE}=${session}; HttpOnly; SameSite=Strict; Path=/`
      response.writeHead(303, { ...HEADERS, Location: '/', 'Set-Cookie': cookie }).end()
      return
    }
    if (!isSame(cookieOf(request), session))
      return void refuse(response, 403, 'Start "ostler settings" again.')
    if (at.pathname !== '/') return void refuse(response, 404, 'There is nothing here.')
    forgotten.refresh()
    if (request.method === 'GET') return void send(response, 200, settings.show())
    if (request.method !== 'POST') return void refuse(response, 405, 'That cannot be done here.')
    if (request.headers.origin !== origin) return void refuse(response, 403, 'The form is from elsewhere.')
    const form = await readForm(request)
    if (form === undefined) return void refuse(response, 413, 'The form is too large.')
    const { page, end: how } = settings.take(form)
    if (how !== undefined) response.once('close', () => end.resolve(how))
    send(response, 200, page)
  }
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  const mine = process.getuid?.()
  server.on('connection', (socket) => {
    // Before a byte is read. Where the kernel does not tell whose a connection is, the token decides alone.
    if (mine !== undefined && loopbackPeer(socket) !== mine) socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    address: `${origin}/?token=${token}`,
    end: end.promise,
    [Symbol.asyncDispose]: async () => {
      clearTimeout(forgotten)
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'Cache-Control': 'no-store',
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  Connection: 'close',
}

function send(response: ServerResponse, status: number, body: string, type = 'text/html'): void {
  response.writeHead(status, { ...HEADERS, 'Content-Type': `${type}; charset=utf-8` }).end(body)
}

function refuse(response: ServerResponse, status: number, text: string): void {
  send(response, status, farewellPage(text))
}

function cookieOf(request: IncomingMessage): string {
  const cookies = (request.headers.cookie ?? '').split('; ')
  return cookies.find((cookie) => cookie.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1) ?? ''
}

function isSame(given: string, right: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(right)]
  return a.length === b.length && timingSafeEqual(a, b)
}

async function readForm(request: IncomingMessage): Promise<ReadonlyMap<string, string> | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_FORM) return undefined
    chunks.push(chunk)
  }
  return new Map(new URLSearchParams(Buffer.concat(chunks).toString('utf8')))
}
