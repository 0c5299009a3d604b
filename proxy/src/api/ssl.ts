import { sslBody, SSL_PATH, type SslShown } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Hono } from 'hono'
import { describeCertificate, requireUsable } from '../model/door-certificate.ts'
import { sealFor } from '@ostler/kit/sealed-box.ts'
import { readSealingKey } from '../store/authority.ts'
import type { Db } from '../store/open.ts'
import { deleteSslFiles, readSslFiles, setSslFiles } from '../store/ssl-files.ts'

/** What the doors of this node show. */
export interface DoorSslHere {
  /** What they show now, PEM; null: they speak without TLS. */
  readonly certificate: () => string | null
  /** Their own certificate, for when there is none in the database. */
  readonly file: string
}

/** The certificate of all doors: shown, set and taken away. Its key is never shown. */
export function addSslRoutes(app: Hono, db: Db, here: DoorSslHere, log: Log): void {
  app.get(SSL_PATH, async (context) => context.json(await shownNow(db, here)))
  app.post(SSL_PATH, async (context) => {
    const parsed = sslBody.safeParse(await context.req.json().catch(() => undefined))
    // In words of our own: what was sent is in part a key.
    if (!parsed.success)
      throw new Fault('request.invalid', {
        problem: 'key and cert must be there, ca and crl may be, each of at most 500 kB of PEM',
      })
    const { pems, warnings } = requireUsable(parsed.data, Date.now())
    const sealingKey = await readSealingKey(db)
    if (sealingKey === undefined)
      throw new Fault('request.invalid', { problem: 'no hkd of this version has run yet: start it first' })
    await setSslFiles(db, pems, sealFor(sealingKey, pems.key))
    const { subject, fingerprint, validTo } = describeCertificate(pems.cert, Date.now())
    log.info('certificate of the doors set', { audit: true, subject, fingerprint, validTo })
    return context.json({ ...(await shownNow(db, here)), warnings })
  })
  app.delete(SSL_PATH, async (context) => {
    const wasSet = await deleteSslFiles(db)
    if (wasSet) log.info('certificate of the doors taken out of the database', { audit: true })
    return context.json({ wasSet, file: here.file })
  })
}

async function shownNow(db: Db, here: DoorSslHere): Promise<SslShown> {
  const now = Date.now()
  const stored = await readSslFiles(db)
  const shown = here.certificate()
  const pem = stored?.cert ?? shown
  return {
    origin: stored !== undefined ? 'database' : shown === null ? 'none' : 'file',
    file: here.file,
    certificate: pem === null ? null : describeCertificate(pem, now),
    ca: stored?.ca !== undefined,
    crl: stored?.crl !== undefined,
    setAt: stored?.setAt.toISOString() ?? null,
    shownHere: shown === null ? null : describeCertificate(shown, now).fingerprint,
  }
}
