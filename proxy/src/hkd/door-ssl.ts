import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { Rounds } from '@ostler/kit/rounds.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { describeCertificate, requireUsable } from '../model/door-certificate.ts'
import type { Db } from '../store/open.ts'
import { readSealedSslFiles } from '../store/ssl-files.ts'
import type { Opener } from './trust.ts'

/** A lost hint costs this much. */
const TICK_MS = 10_000

export interface DoorSslParts {
  readonly db: Db
  readonly trust: Opener
  /** What the doors of this node read, in a folder that is root's. */
  readonly file: string
  /** The certificate alone, for everybody beside it. */
  readonly publicFile: string
  /** Whose the doors are: nobody else reads the first one. */
  readonly reader: Account
  readonly log: Log
}

/**
 * Gives the doors of this node the certificate that stands in the database, and takes it away when it stands there no
 * more. The files of the node itself are never touched. As long as the database cannot be read all stays as it is.
 */
export class DoorSsl implements AsyncDisposable {
  readonly #parts: DoorSslParts
  readonly #rounds: Rounds
  #trouble = ''

  constructor(parts: DoorSslParts) {
    this.#parts = parts
    this.#rounds = new Rounds({
      everyMs: TICK_MS,
      round: async () => {
        await this.#bring()
        this.#trouble = ''
      },
      onError: (error) => this.#say(error),
    })
  }

  /** Looks into the database now, once more after the present look if one is under way. */
  look(): void {
    this.#rounds.ask()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rounds[Symbol.asyncDispose]()
  }

  /** Once, not every time. */
  #say(error: unknown): void {
    if (String(error) !== this.#trouble)
      this.#parts.log.error('the certificate in the database is not used; doors keep what they have', {
        error,
      })
    this.#trouble = String(error)
  }

  async #bring(): Promise<void> {
    const { db, trust, file, publicFile, reader, log } = this.#parts
    const stored = await readSealedSslFiles(db)
    if (stored === undefined) {
      if (!existsSync(file)) return
      for (const each of [publicFile, file]) rmSync(each, { force: true })
      log.info('the certificate was taken out of the database: doors show the one of their node again')
      return
    }
    const { sealedKey, cert, ca, crl } = stored
    // A row is no proof: what a door cannot use must not come to it.
    const { pems, warnings } = requireUsable({ key: openKey(trust, sealedKey), cert, ca, crl }, Date.now())
    const text = JSON.stringify(pems)
    if (holds(file, text, reader)) return
    writeWhole(file, text, { mode: 0o400, owner: reader, folderMode: 0o755 })
    writeWhole(publicFile, pems.cert, { mode: 0o644 })
    const { subject, fingerprint, validTo } = describeCertificate(cert, Date.now())
    log.info('doors get the certificate from the database', { subject, fingerprint, validTo })
    for (const warning of warnings) log.warn('certificate of the doors', { warning })
  }
}

function openKey(trust: Opener, sealedKey: string): string {
  try {
    return trust.open(sealedKey)
  } catch {
    const problem =
      'its key was not sealed for this installation, or is altered: set it again by qa config ssl'
    throw new Fault('request.invalid', { problem })
  }
}

function holds(file: string, text: string, reader: Account): boolean {
  const there = statSync(file, { throwIfNoEntry: false })
  if (there === undefined || there.uid !== reader.uid) return false
  return readFileSync(file, 'utf8') === text
}
