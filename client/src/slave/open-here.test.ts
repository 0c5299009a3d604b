import type { SlaveRoute } from '@ostler/contract/slave-server.ts'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { beforeEach, expect, test } from 'vitest'
import { openHereRoutes, type OpenRules } from './open-here.ts'

let folder: string
let rules: OpenRules
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-open-'))
  const program = join(folder, 'opener')
  writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$#" "$1" >>${folder}/opened\n`, { mode: 0o755 })
  rules = { links: true, documents: true, extensions: ['pdf', 'txt', 'sh', 'html', 'desktop'], program }
  return () => rmSync(folder, { recursive: true })
})

const opened = (): string[] =>
  readdirSync(folder).includes('opened')
    ? readFileSync(join(folder, 'opened'), 'utf8').trimEnd().split('\n')
    : []

/** Asks as the server of the channel does. */
function asker(told: string[] = []) {
  const routes = openHereRoutes(rules, folder, (line) => told.push(line))
  return async (path: string, body: string): Promise<number | string> => {
    const route = routes.find((each) => path.startsWith(each.route.replace('POST ', '').replace('*', '')))
    if (route === undefined) throw new Error(`nothing serves ${path}`)
    return await ask(route, path.slice(path.lastIndexOf('/') + 1), body)
  }
}

async function ask(route: SlaveRoute, rest: string, body: string): Promise<number | string> {
  try {
    route.before?.(rest)
    const bytes = Buffer.from(body)
    const answer = await route.answer({
      ...{ rest, headers: new Map<string, string>(), body: bytes },
      ...{ stream: new PassThrough(), head: Buffer.alloc(0), progress: () => Promise.resolve() },
    })
    return 'status' in answer ? answer.status : 101
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

test('a link is one argument, and the user is told', async () => {
  const told: string[] = []
  expect(await asker(told)('/ostler/open/link', "https://example.org/$(id)?a=';reboot;'&b=`id`")).toBe(200)
  expect(opened()).toEqual(['1', 'https://example.org/$(id)?a=%27;reboot;%27&b=`id`'])
  expect(told[0]).toContain('https://example.org/')
})

test.each([
  'file:///etc/passwd',
  'javascript:alert(1)',
  '--help',
  'smb://server/share',
  'https://a b',
  'https://example.org/\n--help',
  'ssh://host',
  'vscode://x',
  '',
  `https://example.org/${'x'.repeat(9_000)}`,
])('%j is no link to open', async (link) => {
  expect(await asker()('/ostler/open/link', link)).toBe('slave.forbidden')
  expect(opened()).toEqual([])
})

test('a document is opened as a copy that nobody can execute', async () => {
  expect(await asker()('/ostler/open/document/My plan é.PDF', 'content')).toBe(200)
  const [count, copy = ''] = opened()
  expect([count, copy]).toEqual(['1', expect.stringMatching(/\/document-\w+\/My plan é\.PDF$/)])
  expect(readFileSync(copy, 'utf8')).toBe('content')
})

// The user has allowed some of these, which cannot be.
test.each([
  'run.sh',
  'page.html',
  'a.desktop',
  'a.exe',
  'a.pdf.sh',
  'a.docm',
  '.pdf',
  '.hidden.pdf',
  '-x.pdf',
  'pdf',
  'a.',
  'a\n.pdf',
  'a\\b.pdf',
  '..',
  `${'a'.repeat(300)}.pdf`,
  'a‮fdp.pdf',
])('a document named %j is not opened', async (name) => {
  expect(await asker()(`/ostler/open/document/${name}`, 'x')).toBe('slave.forbidden')
  expect(opened()).toEqual([])
  expect(readdirSync(folder).filter((entry) => entry.startsWith('document-'))).toEqual([])
})

test('without the user’s word nothing is opened', async () => {
  rules = { ...rules, links: false, documents: false }
  expect(await asker()('/ostler/open/link', 'https://example.org/')).toBe('slave.forbidden')
  expect(await asker()('/ostler/open/document/a.pdf', 'x')).toBe('slave.forbidden')
})

test('a desktop that opens one thing after the other is stopped', async () => {
  const asks = asker()
  for (let number = 0; number < 10; number++)
    expect(await asks('/ostler/open/link', 'mailto:ann@example.org')).toBe(200)
  expect(await asks('/ostler/open/link', 'https://example.org/')).toBe('slave.busy')
  expect(opened().length).toBe(20)
})

test('a program that is missing or fails is told', async () => {
  rules = { ...rules, program: '/nowhere/xdg-open' }
  expect(await asker()('/ostler/open/link', 'https://example.org/')).toBe('slave.unsupported')
  rules = { ...rules, program: 'false' }
  expect(await asker()('/ostler/open/link', 'https://example.org/')).toBe('slave.unsupported')
})
