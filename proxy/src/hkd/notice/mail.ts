import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { createTransport } from 'nodemailer'
import type { Notice } from '../../store/notices.ts'
import { letterOf } from './letter.ts'
import type { Tell } from './notifier.ts'
import { secretIn } from './secret-file.ts'

export interface MailSettings {
  /** Name of this node. */
  readonly node: string
  readonly host: string
  readonly port: number
  /** `starttls` and `implicit` are never given up for a server that offers no TLS. */
  readonly tls: 'starttls' | 'implicit' | 'none'
  /** File with the authorities by which the server's certificate is checked; those of the system when not given. */
  readonly ca?: string | undefined
  /** Who signs in there; without: nobody. */
  readonly user: string
  readonly passwordFile?: string | undefined
  readonly from: string
  readonly to: readonly string[]
}

const GREETING_MS = 10_000
const SILENCE_MS = 15_000

/** Tells by a letter over SMTP. What it throws says nothing of the password. */
export function mailer(settings: MailSettings): Tell {
  const { node, host, port, tls, user, from, to } = settings
  return async (notices: readonly Notice[], signal: AbortSignal) => {
    const { ca, passwordFile } = settings
    const opened: Socket[] = []
    const transport = createTransport({
      host,
      port,
      // Ours, so that we can end it: a server that says nothing keeps it open long after we gave up.
      getSocket: (_: unknown, done: (error: Error | null, opened?: { connection: Socket }) => void) => {
        const socket = connect(port, host)
        opened.push(socket)
        socket.once('error', done)
        socket.once('connect', () => {
          socket.off('error', done)
          done(null, { connection: socket })
        })
      },
      name: node,
      secure: tls === 'implicit',
      requireTLS: tls === 'starttls',
      ignoreTLS: tls === 'none',
      tls: { minVersion: 'TLSv1.2', ...(ca === undefined ? {} : { ca: readFileSync(ca) }) },
      ...(user === '' || passwordFile === undefined
        ? {}
        : { auth: { user, pass: secretIn(passwordFile).reveal() } }),
      greetingTimeout: GREETING_MS,
      socketTimeout: SILENCE_MS,
      disableFileAccess: true,
      disableUrlAccess: true,
    })
    try {
      const sending = transport.sendMail({ from, to: [...to], ...letterOf(node, notices) })
      const { rejected } = await Promise.race([sending, aborted(signal)])
      if (rejected.length > 0)
        return `the server takes no letters for ${rejected.map((each) => JSON.stringify(each)).join(', ')}`
      return undefined
    } finally {
      transport.close()
      for (const socket of opened) socket.on('error', () => {}).destroy()
    }
  }
}

async function aborted(signal: AbortSignal): Promise<never> {
  return await new Promise((_, reject) => {
    const refuse = (): void => reject(new Error('it took too long'))
    if (signal.aborted) refuse()
    else signal.addEventListener('abort', refuse, { once: true })
  })
}
