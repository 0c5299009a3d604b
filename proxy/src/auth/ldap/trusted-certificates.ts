import { readFile, stat } from 'node:fs/promises'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { DirectoryTrouble } from './trouble.ts'

/** The certificates that a directory is trusted by: those of a file, or those of the system. */
export class TrustedCertificates {
  readonly #file: string
  #known: { readonly stamp: string; readonly context: SecureContext } | undefined

  /** @param file PEM; empty: the system's. */
  constructor(file: string) {
    this.#file = file
  }

  /** Reads the file again when it has changed. @throws DirectoryTrouble when it cannot be used. */
  async context(): Promise<SecureContext> {
    try {
      const stamp = this.#file === '' ? 'system' : await stampOf(this.#file)
      if (this.#known?.stamp !== stamp)
        this.#known = { stamp, context: createSecureContext({ ca: await this.#certificates() }) }
      return this.#known.context
    } catch (error) {
      const cause = error as Error
      throw new DirectoryTrouble(`cannot be checked: auth.ldap.ca is not usable: ${cause.message}`, {
        isDown: false,
        cause,
      })
    }
  }

  async #certificates(): Promise<string[]> {
    if (this.#file === '') return getCACertificates('system')
    const pem = await readFile(this.#file, 'utf8')
    // Node takes a file without any certificate, and then trusts nobody: say so instead.
    if (!pem.includes('-----BEGIN CERTIFICATE-----')) throw new Error(`${this.#file} holds no certificate`)
    return [pem]
  }
}

async function stampOf(file: string): Promise<string> {
  const { mtimeMs, size, ino } = await stat(file)
  return [mtimeMs, size, ino].join(' ')
}
