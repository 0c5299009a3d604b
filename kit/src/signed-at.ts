import { X509Certificate } from 'node:crypto'

/** Certificates begin in the past, so that a peer whose clock is a day slow accepts them. */
export const BACKDATE_MS = 2 * 86_400_000

/**
 * When a certificate of ours (`certificate.ts`) was signed, in milliseconds since 1970, by the signer's clock.
 * @param certificate PEM.
 */
export function signedAt(certificate: string): number {
  return new X509Certificate(certificate).validFromDate.getTime() + BACKDATE_MS
}
