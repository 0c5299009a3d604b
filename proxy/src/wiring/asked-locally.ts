import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { mkdirSync, rmSync } from 'node:fs'
import { createServer, request, type Server } from 'node:http'
import { dirname } from 'node:path'
import { Registry } from 'prom-client'
import type { LoopbackAddress } from './loopback.ts'

/** What a process answers, by method and path, such as `GET /metrics`: a text, or anything as JSON. */
export type LocalAnswers = Readonly<Record<string, () => unknown>>

const ANSWER_MS = 10_000

/**
 * Answers questions about this process: on a unix socket that its own user and root may open, nobody else; and where
 * metrics are wished for on the loopback network, `GET /metrics` alone there. Neither keeps the process from its work:
 * what cannot be opened is said in the log.
 */
export async function answerLocally(
  answers: LocalAnswers,
  { socket, loopback }: { readonly socket: string; readonly loopback: LoopbackAddress | undefined },
  log: Log,
  scope: Scope,
): Promise<void> {
  const open = async (only: LocalAnswers, where: { path: string } | LoopbackAddress): Promise<void> => {
    const server = serve(only, log)
    try {
      await listen(server, where)
      scope.defer(() => close(server))
    } catch (error) {
      log.error('questions about this process are not answered here', { where, error })
    }
  }
  mkdirSync(dirname(socket), { recursive: true, mode: 0o755 })
  rmSync(socket, { force: true })
  const umask = process.umask(0o177) // from the first moment
  try {
    await open(answers, { path: socket })
  } finally {
    process.umask(umask)
  }
  const { 'GET /metrics': metrics } = answers
  if (loopback !== undefined && metrics !== undefined) await open({ 'GET /metrics': metrics }, loopback)
}

/**
 * Asks a process by its unix socket.
 * @returns the answer's body.
 * @throws Error when nobody answers, or what went wrong there.
 */
export async function askLocally(socket: string, method: 'GET' | 'POST', path: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    const asked = request(
      { socketPath: socket, method, path, signal: AbortSignal.timeout(ANSWER_MS) },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.once('error', reject)
        response.once('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          if (response.statusCode === 200) resolve(text)
          else reject(new Error(text))
        })
      },
    )
    asked.once('error', reject)
    asked.end()
  })
}

function serve(answers: LocalAnswers, log: Log): Server {
  return createServer((request, response) => {
    const finish = (status: number, type: string, body: string): void => {
      response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) })
      response.end(body)
    }
    const question = `${request.method ?? ''} ${request.url ?? ''}`
    const answer = Object.hasOwn(answers, question) ? answers[question] : undefined
    if (answer === undefined) return finish(404, 'text/plain', 'there is nothing here\n')
    Promise.resolve(answer()).then(
      (said) =>
        typeof said === 'string'
          ? finish(200, Registry.PROMETHEUS_CONTENT_TYPE, said)
          : finish(200, 'application/json', `${JSON.stringify(said)}\n`),
      (error: unknown) => {
        log.error('a question about this process could not be answered', { question, error })
        finish(503, 'text/plain', 'it could not be answered; the log has why\n')
      },
    )
  })
}

function listen(server: Server, where: { path: string } | LoopbackAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise<void>((resolve) => server.close(() => resolve()))
}
