import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import { chmodSync, chownSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { dirname } from 'node:path'

/** So long may a request take to come; answers may take longer. */
const REQUEST_MS = 60_000
const HEADERS_MS = 10_000
const MAX_CONNECTIONS = 512

/**
 * Serves the api on a unix socket that its own user and root may open, and a group if there is one: nobody else.
 * @param group its number; the api's user must be in it.
 */
export async function serveOnSocket(
  app: Hono,
  path: string,
  group: number | undefined,
): Promise<AsyncDisposable> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  rmSync(path, { force: true })
  const listener = getRequestListener(app.fetch)
  const server = createServer((request, response) => void listener(request, response))
  const umask = process.umask(0o177) // from the first moment
  try {
    await listening(server, () => server.listen(path))
  } finally {
    process.umask(umask)
  }
  if (group !== undefined) chownSync(path, -1, group)
  chmodSync(path, group === undefined ? 0o600 : 0o660)
  return closing(server)
}

/** Serves the api over TLS, to those who have a token. @returns also the port that it got. */
export async function serveOverTls(
  app: Hono,
  at: { readonly host: string; readonly port: number },
  identity: { readonly key: string; readonly cert: string },
): Promise<AsyncDisposable & { readonly port: number }> {
  const listener = getRequestListener(app.fetch)
  const settings = { ...identity, minVersion: 'TLSv1.2', maxHeaderSize: 16_384 } as const
  const server = createTlsServer(
    { ...settings, requestTimeout: REQUEST_MS, headersTimeout: HEADERS_MS },
    (request, response) => void listener(request, response),
  )
  server.maxConnections = MAX_CONNECTIONS
  await listening(server, () => server.listen(at.port, at.host))
  const address = server.address()
  return { ...closing(server), port: typeof address === 'object' ? (address?.port ?? 0) : 0 }
}

function listening(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', resolve)
    listen()
  })
}

function closing(server: Server): AsyncDisposable {
  return {
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
