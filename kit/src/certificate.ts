import 'reflect-metadata'
import { createPrivateKey, type KeyObject, webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PublicKey,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { BACKDATE_MS } from './signed-at.ts'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY_MS = 86_400_000

/** A certificate and its private key, both PEM. */
export interface Identity {
  readonly certificate: string
  readonly key: string
}

/** Makes a certificate authority that signs end certificates only. Valid for `days` from now. */
export async function makeAuthority(commonName: string, days: number): Promise<Identity> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [commonName] }],
    ...validity(days),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  })
  return { certificate: certificate.toString('pem'), key: await exportKey(keys.privateKey) }
}

/**
 * Signs a certificate for TLS at either end.
 *
 * @param request `publicKey` is the subject's SPKI in DER; `uri` becomes the only subject alternative name.
 * @returns PEM.
 */
export async function signCertificate(
  authority: Identity,
  request: { commonName: string; uri: string; publicKey: Uint8Array; days: number },
): Promise<string> {
  const issuer = new X509Certificate(authority.certificate)
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: [request.commonName] }],
    issuer: issuer.subjectName,
    ...validity(request.days),
    publicKey: new PublicKey(new Uint8Array(request.publicKey)),
    signingKey: await importKey(createPrivateKey(authority.key)),
    signingAlgorithm: ALGORITHM,
    extensions: endExtensions([{ type: 'url', value: request.uri }]),
  })
  return certificate.toString('pem')
}

/** Makes a key and a certificate for it that the authority has signed. */
export async function issueIdentity(
  authority: Identity,
  request: { commonName: string; uri: string; days: number },
): Promise<Identity> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const publicKey = new Uint8Array(await webcrypto.subtle.exportKey('spki', keys.publicKey))
  return {
    certificate: await signCertificate(authority, { ...request, publicKey }),
    key: await exportKey(keys.privateKey),
  }
}

/** Makes a self-signed server certificate for some host names and IP addresses. */
export async function selfSigned(names: readonly string[], days: number): Promise<Identity> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [names[0] ?? 'localhost'] }],
    ...validity(days),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: endExtensions(
      names.map((value) => ({ type: /^[\d.]+$|:/.test(value) ? 'ip' : 'dns', value })),
    ),
  })
  return { certificate: certificate.toString('pem'), key: await exportKey(keys.privateKey) }
}

function endExtensions(names: { type: 'url' | 'dns' | 'ip'; value: string }[]): Extension[] {
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
    new SubjectAlternativeNameExtension(names),
  ]
}

function validity(days: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now()
  return { notBefore: new Date(now - BACKDATE_MS), notAfter: new Date(now + days * DAY_MS) }
}

function serialNumber(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16))
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f) // positive, and never shortened
  return Buffer.from(bytes).toString('hex')
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key))
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ type: 'pkcs8', format: 'pem' })
}

async function importKey(key: KeyObject): Promise<webcrypto.CryptoKey> {
  const der = key.export({ type: 'pkcs8', format: 'der' })
  return await webcrypto.subtle.importKey('pkcs8', new Uint8Array(der), ALGORITHM, false, ['sign'])
}
