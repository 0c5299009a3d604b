import { Fault } from '@ostler/contract/fault.ts'
import type { SlaveRoute } from '@ostler/contract/slave-server.ts'
import { isOpenableLink, MAX_DOCUMENT, MAX_LINK, SLAVE_ROUTES } from '@ostler/contract/slave.ts'
import { spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a desktop may have opened here, as the user has agreed. */
export interface OpenRules {
  readonly links: boolean
  readonly documents: boolean
  /** Ends of names, in lower case and without the dot. */
  readonly extensions: readonly string[]
  /** Opens a link or a document, given as its only argument. */
  readonly program: string
}

/** Nobody can allow these: to open one is to run what the desktop has written. */
const PROGRAMS = new Set(
  'appimage bat cmd com command desktop dll exe hta htm html jar js jse lnk msi pif pl ps1 py reg run scr sh svg url vbs wsf xhtml'.split(
    ' ',
  ),
)
/** A desktop that opens more than this is no user at work. */
const MOST_A_MINUTE = 10
const MOST_DOCUMENTS = 64
/** A program that has not failed by then shows what it was asked to. */
const FAILS_WITHIN_MS = 3_000

/**
 * Opens links and copies of documents that a desktop sends. Nothing is executed: links are of the web or a mail, names of documents
 * end as the user allows, and a copy is never executable. What is opened is told.
 *
 * @param folder ours alone; the copies are there, and it is the caller's to remove.
 */
export function openHereRoutes(rules: OpenRules, folder: string, tell: (line: string) => void): SlaveRoute[] {
  const recent: number[] = []
  let documents = 0
  const admit = (): void => {
    const now = performance.now()
    while ((recent[0] ?? now) < now - 60_000) recent.shift()
    if (recent.length >= MOST_A_MINUTE) throw new Fault('slave.busy')
    recent.push(now)
  }
  return [
    {
      route: SLAVE_ROUTES.openLink,
      maxBody: MAX_LINK,
      before: () => {
        if (!rules.links) throw refusal('links', 'client.open.enable does not name them')
        admit()
      },
      answer: async ({ body }) => {
        const link = body.toString('utf8')
        if (!isOpenableLink(link)) throw refusal('this link', 'only web pages and mails are opened')
        tell(`The desktop opens ${link}`)
        await openWith(rules.program, new URL(link).href)
        return { status: 200, text: 'opened' }
      },
    },
    {
      route: SLAVE_ROUTES.openDocument,
      maxBody: MAX_DOCUMENT,
      before: (name) => {
        if (!rules.documents) throw refusal('documents', 'client.open.enable does not name them')
        requireName(name, rules.extensions)
        admit()
        if (documents >= MOST_DOCUMENTS) throw new Fault('slave.busy')
        documents += 1
      },
      answer: async ({ rest: name, body }) => {
        const copy = join(mkdtempSync(join(folder, 'document-')), name)
        writeFileSync(copy, body, { flag: 'wx', mode: 0o600 })
        tell(`The desktop opens a copy of ${name}; it is removed when you disconnect.`)
        await openWith(rules.program, copy)
        return { status: 200, text: 'opened' }
      },
    },
  ]
}

function requireName(name: string, extensions: readonly string[]): void {
  const extension = /^[^.\p{C}/\\-][^\p{C}/\\]*\.([A-Za-z0-9]+)$/u.exec(name)?.[1]?.toLowerCase() ?? ''
  if (Buffer.byteLength(name) > 200 || PROGRAMS.has(extension) || !extensions.includes(extension))
    throw refusal('this document', 'its name does not end as client.open.extensions allows')
}

function openWith(program: string, target: string): Promise<void> {
  const child = spawn(program, [target], { stdio: 'ignore', detached: true })
  child.unref()
  return new Promise((resolve, reject) => {
    const shown = setTimeout(resolve, FAILS_WITHIN_MS)
    const fail = (reason: string): void => {
      clearTimeout(shown)
      reject(new Fault('slave.unsupported', { what: 'opening it', reason }))
    }
    child.once('error', (error) => fail(error.message))
    child.once('exit', (code) => {
      if (code !== 0) return fail(`${program} ended with ${code ?? 'a signal'}`)
      clearTimeout(shown)
      resolve()
    })
  })
}

function refusal(what: string, reason: string): Fault {
  return new Fault('slave.forbidden', { what: `opening ${what}`, reason })
}
