import { keptLogin, REDEEM_PATH, type TokenMade } from '@ostler/contract/administrators.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { readFileSync, rmSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { connect } from 'node:tls'
import { apiClient, fingerprintOf, type RemoteApi } from './api-client.ts'

const CONNECT_MS = 10_000

/**
 * Where the api is, as `qa login` has written it.
 * @returns `undefined` when there is no such file.
 * @throws Fault `client.choice` for a file that others can read, or that is none.
 */
export function readLogin(file: string): RemoteApi | undefined {
  const stat = statSync(file, { throwIfNoEntry: false })
  if (stat === undefined) return undefined
  if ((stat.mode & 0o077) !== 0)
    throw choice(`${file} has a token and can be read by others`, `chmod 600 ${file}`)
  try {
    return keptLogin.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    throw choice(`${file} is none of qa's`, 'qa login')
  }
}

/**
 * `qa login url=https://NODE:9443 code=- [fingerprint=…]`: exchanges an invitation for a token and keeps that, where nobody else
 * reads it. A certificate that no authority has signed is taken only by its fingerprint.
 * @throws Fault `client.untrusted` with the fingerprint that is shown, or what the api says.
 */
export async function logIn(
  { url, code, fingerprint, ...more }: Readonly<Record<string, string>>,
  file: string,
): Promise<string> {
  if (url === undefined || code === undefined || Object.keys(more).length > 0 || !URL.canParse(url))
    throw choice('where, and with which code?', 'url=https://NODE:9443 code=- [fingerprint=SHA256]')
  const pinned = fingerprint
  if (pinned === undefined) await requireSigned(new URL(url))
  const at = { url, ...(pinned === undefined ? {} : { fingerprint: pinned.toUpperCase() }) }
  const redeemed = (await apiClient({ ...at, token: '' }).post(REDEEM_PATH, { code })) as TokenMade
  writeWhole(file, `${JSON.stringify({ ...at, token: redeemed.token }, null, 2)}\n`, {
    mode: 0o600,
    folderMode: 0o700,
  })
  return `signed in as ${redeemed.administrator} until ${redeemed.expires.slice(0, 10)}`
}

/** Forgets the token here; it is good until it ends or `qa token del`. */
export function logOut(file: string): void {
  rmSync(file, { force: true })
}

/** @throws Fault `client.untrusted` unless an authority that is known here has signed the certificate. */
async function requireSigned({ hostname, port }: URL): Promise<void> {
  const socket = connect({
    host: hostname,
    port: Number(port || 443),
    ...(isIP(hostname) === 0 ? { servername: hostname } : {}),
    rejectUnauthorized: false,
  })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.setTimeout(CONNECT_MS, () => reject(new Error('no answer')))
      socket.once('secureConnect', resolve).once('error', reject)
    })
    if (socket.authorized) return
    throw new Fault('admin.untrusted', {
      host: hostname,
      fingerprint: fingerprintOf(socket.getPeerCertificate().raw),
    })
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('client.unreachable', { host: hostname, port: port || '443', reason }, { cause })
  } finally {
    socket.destroy()
  }
}

function choice(problem: string, choices: string): Fault {
  return new Fault('client.choice', { problem, choices })
}
