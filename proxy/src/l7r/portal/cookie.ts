import { Fault } from '@ostler/contract/fault.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'

export const COOKIE_NAME = 'ostler'
const KEY_BYTES = 32
export const COOKIE_SECONDS = 12 * 3600

/** Makes and reads the portal's session cookies: who and until when, signed. They survive a restart of the door. */
export interface CookieJar {
  bake(holder: CookieHolder): string
  /** A key for another purpose, the same for all doors of the node. */
  derive(purpose: string): Buffer
  /** The holder of a cookie; `undefined` when it is forged, altered or too old. */
  read(cookie: string | undefined): CookieHolder | undefined
  /** Signs what a browser keeps for us for some seconds. @param purpose a word; a note of one is none of another. */
  bakeNote(purpose: string, content: unknown, seconds: number): string
  /** The content of a note; `undefined` when it is forged, altered, too old or for another purpose. */
  readNote(purpose: string, note: string | undefined): unknown
}

/** Whose cookie it is, and where that lies which plugins said when she signed in. */
export interface CookieHolder {
  readonly userId: number
  readonly parametersId: number
}

/** @param file holds the signing key; made when missing, readable by its owner alone. */
export function openCookieJar(file: string, now: () => number): CookieJar {
  if (!existsSync(file)) {
    writeWhole(file, randomBytes(KEY_BYTES), { mode: 0o600, folderMode: 0o700 })
  }
  const key = readFileSync(file)
  if (key.length !== KEY_BYTES)
    throw new Fault('config.invalid', { problems: `${file} holds no key of ${KEY_BYTES} bytes: remove it` })
  const sign = (text: string): string => createHmac('sha256', key).update(text).digest('base64url')
  const isSigned = (text: string, signature: string): boolean => {
    const [given, right] = [Buffer.from(signature), Buffer.from(sign(text))]
    return given.length === right.length && timingSafeEqual(given, right)
  }
  return {
    derive: (purpose) => createHmac('sha256', key).update(`key:${purpose}`).digest(),
    bake: ({ userId, parametersId }) => {
      const text = `${userId}.${parametersId}.${Math.floor(now() / 1000) + COOKIE_SECONDS}`
      return `${text}.${sign(text)}`
    },
    read: (cookie) => {
      const [, text, userId, parametersId, until, signature] =
        /^((\d+)\.(\d+)\.(\d+))\.([\w-]+)$/.exec(cookie ?? '') ?? []
      if (text === undefined || signature === undefined || !isSigned(text, signature)) return undefined
      if (Number(until) * 1000 <= now()) return undefined
      return { userId: Number(userId), parametersId: Number(parametersId) }
    },
    // A session's text begins with a digit, a note's with its purpose: neither passes for the other.
    bakeNote: (purpose, content, seconds) => {
      const body = Buffer.from(JSON.stringify(content)).toString('base64url')
      const text = `${body}.${Math.floor(now() / 1000) + seconds}`
      return `${text}.${sign(`${purpose}:${text}`)}`
    },
    readNote: (purpose, note) => {
      const [, text, body, until, signature] = /^(([\w-]+)\.(\d+))\.([\w-]+)$/.exec(note ?? '') ?? []
      if (body === undefined || signature === undefined || !isSigned(`${purpose}:${text}`, signature))
        return undefined
      if (Number(until) * 1000 <= now()) return undefined
      return JSON.parse(Buffer.from(body, 'base64url').toString()) as unknown
    },
  }
}
