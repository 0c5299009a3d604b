import { FAULT_CODES, Fault } from '@ostler/contract/fault.ts'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Pages that say more about a kind of failure, by the first word of its code. */
const PAGES: Readonly<Record<string, readonly string[]>> = {
  address: ['network.md'],
  admin: ['api.md', 'qa.md'],
  agent: ['agent.md', 'health.md'],
  auth: ['sign-in.md'],
  backup: ['database.md'],
  build: ['image-builder.md'],
  capture: ['pools.md'],
  client: ['client.md'],
  config: ['configuration.md'],
  console: ['console.md'],
  database: ['database.md'],
  desktop: ['health.md'],
  display: ['displays.md'],
  folder: ['folders.md'],
  home: ['homes.md'],
  hook: ['hooks.md'],
  image: ['images.md', 'storage.md'],
  node: ['install.md', 'node.md'],
  notify: ['health.md'],
  overlay: ['storage.md'],
  pair: ['sign-in.md'],
  policy: ['policy.md'],
  pool: ['pools.md'],
  quota: ['pools.md'],
  recipe: ['image-builder.md', 'recipe.conf.md'],
  restore: ['database.md'],
  rollOut: ['roll-out.md'],
  slave: ['slave.md'],
  storage: ['storage.md'],
  upload: ['images.md'],
}

/** The page of failures by what they say, printed from the list that the programs themselves use. */
export function troubleshootingPage(): string {
  const faults = FAULT_CODES.map((code) => new Fault(code)).sort((a, b) =>
    sortKey(a.message) < sortKey(b.message) ? -1 : 1,
  )
  return `# Troubleshooting by message

Printed from the code by \`npm run docs\`; a test compares. Do not edit.

Every failure has a code, which stands in brackets at the end of what a program says, in the answers of the api and in logs:
\`the disk image office cannot be used: … [image.unusable]\`. Words in braces are filled in. Why a desktop is as it is:
\`qa vm explain -f name=NAME\` ([health.md](health.md)).

| it says | what to try | code | HTTP | exit | more |
|---|---|---|---|---|---|
${faults
  .map(
    ({ message, advice, code, status, exitCode }) =>
      `| ${message} | ${advice} | \`${code}\` | ${status} | ${exitCode} | ${pagesOf(code)} |`,
  )
  .join('\n')}
`
}

/** Placeholders at its beginning do not say where somebody looks. */
function sortKey(message: string): string {
  return message
    .replace(/\{\w+\}/g, '')
    .replace(/^\W+/, '')
    .toLowerCase()
}

function pagesOf(code: string): string {
  const pages = PAGES[code.split('.')[0] ?? ''] ?? []
  return pages.map((page) => `[${page.replace('.md', '')}](${page})`).join(', ')
}

if (import.meta.main)
  writeFileSync(join(import.meta.dirname, '../docs/troubleshooting.md'), troubleshootingPage())
