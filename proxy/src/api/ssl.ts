import { sslBody, SSL_PATH, type SslShown } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { sealFor } from '@ostler/kit/sealed-box.ts'
import * as z from 'zod'
import { describeCertificate, requireUsable } from '../model/door-certificate.ts'
import { readSealingKey } from '../store/authority.ts'
import type { Db } from '../store/open.ts'
import { deleteSslFiles, readSslFiles, setSslFiles } from '../store/ssl-files.ts'
import { type Route, route } from './route.ts'

/** What the doors of this node show. */
export interface DoorSslHere {
  /** What they show now, PEM; null: they speak without TLS. */
  readonly certificate: () => string | null
  /** Their own certificate, for when there is none in the database. */
  readonly file: string
}

const shown = z.looseObject({
  origin: z.enum(['database', 'file', 'none']),
  file: z.string(),
  certificate: z.looseObject({ subject: z.string(), fingerprint: z.string() }).nullable(),
})

/** The certificate of all doors: shown, set and taken away. Its key is never shown. */
export function sslRoutes(here: DoorSslHere, log: Log): Route[] {
  return [
    route({
      method: 'get',
      path: SSL_PATH,
      summary: 'The certificate of all doors.',
      needs: 'configuration.see',
      answer: shown,
      hints: ['ostler_config'],
      run: async ({ db }) => await shownNow(db, here),
    }),
    route({
      method: 'post',
      path: SSL_PATH,
      summary: 'Gives all doors a certificate. The key goes in and never comes out.',
      needs: 'configuration.change',
      body: sslBody,
      // In words of our own: what was sent is in part a key.
      bodyProblem: 'key and cert must be there, ca and crl may be, each of at most 500 kB of PEM',
      answer: shown,
      run: async ({ db, body }) => {
        const { pems, warnings } = requireUsable(body, Date.now())
        const sealingKey = await readSealingKey(db)
        if (sealingKey === undefined)
          throw new Fault('request.invalid', {
            problem: 'no hkd of this version has run yet: start it first',
          })
        await setSslFiles(db, pems, sealFor(sealingKey, pems.key))
        const { subject, fingerprint, validTo } = describeCertificate(pems.cert, Date.now())
        log.info('certificate of the doors set', { audit: true, subject, fingerprint, validTo })
        return { ...(await shownNow(db, here)), warnings }
      },
    }),
    route({
      method: 'delete',
      path: SSL_PATH,
      summary: 'Takes the certificate of all doors away: each shows its own again.',
      needs: 'configuration.change',
      answer: z.strictObject({ wasSet: z.boolean(), file: z.string() }),
      run: async ({ db }) => {
        const wasSet = await deleteSslFiles(db)
        if (wasSet) log.info('certificate of the doors taken out of the database', { audit: true })
        return { wasSet, file: here.file }
      },
    }),
  ]
}

async function shownNow(db: Db, here: DoorSslHere): Promise<SslShown> {
  const now = Date.now()
  const stored = await readSslFiles(db)
  const current = here.certificate()
  const pem = stored?.cert ?? current
  return {
    origin: stored !== undefined ? 'database' : current === null ? 'none' : 'file',
    file: here.file,
    certificate: pem === null ? null : describeCertificate(pem, now),
    ca: stored?.ca !== undefined,
    crl: stored?.crl !== undefined,
    setAt: stored?.setAt.toISOString() ?? null,
    shownHere: current === null ? null : describeCertificate(current, now).fingerprint,
  }
}
