import { Fault } from '@ostler/contract/fault.ts'
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import * as z from 'zod'

/** What a door needs for TLS, PEM: `ca` and `crl` are about the certificates of clients. */
const doorPems = z.strictObject({
  key: z.string(),
  /** The door's own first, then each one's issuer. */
  cert: z.string(),
  ca: z.string().optional(),
  crl: z.string().optional(),
})
export type DoorPems = Readonly<z.output<typeof doorPems>>
export type SslFileName = keyof DoorPems

const DAY_MS = 86_400_000
/** So long before its end an administrator is told. */
const SOON_DAYS = 21

/**
 * Reads the file by which hkd gives the doors of its node the certificate from the database. It is written whole or not
 * at all, so a door never sees a key with another one's certificate.
 * @returns `undefined` when there is none: then the files of the node count.
 * @throws Fault `config.invalid` when it cannot be read.
 */
export function readGivenPems(file: string): DoorPems | undefined {
  try {
    return doorPems.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Fault('config.invalid', { problems: `${file} is not what hkd has written: start hkd again` })
  }
}

/**
 * Looks whether a door can be opened with these: the key is the certificate's, each certificate is followed by its
 * issuer's, and OpenSSL takes them. Whatever stands around the blocks that are meant is left out.
 * @returns what to keep, and what an administrator should know.
 * @throws Fault `request.invalid` which names the one that is wrong, and never shows it.
 */
export function requireUsable(
  said: { readonly [K in SslFileName]?: string | undefined },
  now: number,
): { readonly pems: DoorPems; readonly warnings: readonly string[] } {
  const { key, text: keyText } = requireKey(said.key ?? '')
  const chain = certificatesOf('cert', said.cert ?? '')
  const own = chain[0]
  if (own === undefined) throw unusable('cert holds no certificate in PEM')
  const place = chain.findIndex((certificate) => certificate.checkPrivateKey(key))
  if (place < 0) throw unusable('key and cert do not belong together')
  if (place > 0)
    throw unusable(`the certificate of the key is number ${place + 1} in cert: it must be the first`)
  chain.forEach((certificate, index) => {
    const next = chain[index + 1]
    if (next !== undefined && !(certificate.checkIssued(next) && certificate.verify(next.publicKey)))
      throw unusable(
        `certificate ${index + 2} in cert has not issued certificate ${index + 1}: each must be followed by its issuer's`,
      )
  })
  const authorities = said.ca === undefined ? undefined : certificatesOf('ca', said.ca)
  if (authorities?.length === 0) throw unusable('ca holds no certificate in PEM')
  const lists = said.crl === undefined ? undefined : blocksOf(said.crl, 'X509 CRL')
  if (lists?.length === 0) throw unusable('crl holds no list of revoked certificates in PEM')
  const pems = {
    key: keyText,
    cert: joined(chain),
    ...(authorities === undefined ? {} : { ca: joined(authorities) }),
    ...(lists === undefined ? {} : { crl: lists.join('') }),
  }
  requireTaken({ key: pems.key, cert: pems.cert }, 'key and cert')
  if (authorities !== undefined) requireTaken({ ca: joined(authorities) }, 'ca')
  for (const crl of lists ?? []) requireTaken({ crl }, 'crl')
  return { pems, warnings: [...troublesOf(own, now), ...chain.slice(1).flatMap((next) => endOf(next, now))] }
}

/** What a certificate says of itself. Times are ISO 8601. */
export function describeCertificate(pem: string, now: number) {
  const chain = certificatesOf('the certificate', pem)
  const own = chain[0]
  if (own === undefined) throw unusable('the certificate is none in PEM')
  return {
    subject: inOneLine(own.subject),
    issuer: inOneLine(own.issuer),
    names: (own.subjectAltName ?? '').split(', ').filter((name) => name !== ''),
    validFrom: own.validFromDate.toISOString(),
    validTo: own.validToDate.toISOString(),
    fingerprint: own.fingerprint256,
    chain: chain.length,
    warnings: troublesOf(own, now),
  }
}

function requireKey(text: string): { key: KeyObject; text: string } {
  if (/BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED/.test(text))
    throw unusable('key is locked by a passphrase, which nobody could type at a door: take it off')
  const blocks = blocksOf(text, '(?:RSA |EC )?PRIVATE KEY')
  if (blocks.length > 1) throw unusable(`key holds ${blocks.length} private keys: it must be one`)
  try {
    return { key: createPrivateKey(blocks[0] ?? ''), text: blocks[0] ?? '' }
  } catch {
    // Without the cause: nothing of a key may come into a log.
    throw unusable('key holds no private key in PEM')
  }
}

function certificatesOf(name: string, text: string): X509Certificate[] {
  return blocksOf(text, 'CERTIFICATE').map((block, index) => {
    try {
      return new X509Certificate(block)
    } catch {
      throw unusable(`certificate ${index + 1} in ${name} cannot be read`)
    }
  })
}

/** @param label a part of a regular expression. */
function blocksOf(text: string, label: string): string[] {
  const pattern = new RegExp(`-----BEGIN (${label})-----[^-]*-----END \\1-----`, 'g')
  return [...text.matchAll(pattern)].map(([block]) => `${block}\n`)
}

function joined(certificates: readonly X509Certificate[]): string {
  return certificates.map((certificate) => certificate.toString()).join('')
}

/** The last word is OpenSSL's: a key may be too short for it, say. */
function requireTaken(files: Partial<DoorPems>, names: string): void {
  try {
    createSecureContext(files)
  } catch (error) {
    throw unusable(`OpenSSL does not take ${names}: ${error instanceof Error ? error.message : ''}`)
  }
}

function troublesOf(own: X509Certificate, now: number): string[] {
  const isNameless = own.subjectAltName === undefined
  return [
    ...endOf(own, now),
    ...(isNameless ? ['the certificate has no subjectAltName: browsers will not take it for any host'] : []),
  ]
}

function endOf(certificate: X509Certificate, now: number): string[] {
  const who = inOneLine(certificate.subject) || 'without a name'
  const [from, to] = [certificate.validFromDate, certificate.validToDate]
  if (from.getTime() > now) return [`the certificate ${who} is not valid before ${from.toISOString()}`]
  if (to.getTime() <= now) return [`the certificate ${who} has expired on ${to.toISOString()}`]
  const days = Math.floor((to.getTime() - now) / DAY_MS)
  return days < SOON_DAYS ? [`the certificate ${who} expires in ${days} days`] : []
}

function inOneLine(name: string): string {
  return name.split('\n').join(', ')
}

function unusable(problem: string): Fault {
  return new Fault('request.invalid', { problem })
}
