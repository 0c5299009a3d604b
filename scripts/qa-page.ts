import { OBJECTS } from '@ostler/qa/commands.ts'
import { TUNNEL_ACTIONS } from '@ostler/qa/tunnel/commands.ts'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where what is done to an object is told. */
const PAGES: Readonly<Record<string, readonly string[]>> = {
  tenant: ['policy.md'],
  group: ['policy.md'],
  user: ['node.md', 'policy.md'],
  host: ['node.md', 'pools.md'],
  osf: ['pools.md', 'policy.md'],
  di: ['images.md', 'roll-out.md'],
  job: ['roll-out.md'],
  vm: ['node.md', 'health.md'],
  pool: ['pools.md'],
  policy: ['policy.md'],
  home: ['homes.md'],
  backup: ['database.md'],
  storage: ['storage.md'],
  notice: ['health.md'],
  administrator: ['api.md'],
  token: ['api.md'],
  audit: ['api.md'],
  config: ['configuration.md'],
  doctor: ['doctor.md'],
  slo: ['slo.md'],
  import: ['import.md'],
}

/** The page of qa's objects and actions, printed from the table that `qa` itself runs. */
export function qaPage(): string {
  const actionsOf = (object: string, actions: readonly string[]): readonly string[] =>
    object === 'vm' ? [...actions, ...TUNNEL_ACTIONS] : actions
  return `# Objects and actions of qa

Printed from the code by \`npm run docs\`; a test compares. Do not edit. How words are written: [qa.md](qa.md). \`qa --help\` shows the
arguments. Besides: \`qa login\` and \`qa logout\` ([api.md](api.md)).

| \`qa …\` | actions | more |
|---|---|---|
${Object.entries(OBJECTS)
  .map(
    ([object, actions]) =>
      `| \`${object}\` | ${actionsOf(object, actions)
        .map((action) => (action === '' ? '–' : `\`${action}\``))
        .join(
          ', ',
        )} | ${(PAGES[object] ?? []).map((page) => `[${page.replace('.md', '')}](${page})`).join(', ')} |`,
  )
  .join('\n')}
`
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, '../docs/qa-commands.md'), qaPage())
