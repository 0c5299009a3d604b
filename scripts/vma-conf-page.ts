import { AGENT_OPTIONS } from '@ostler/agent/config/options.ts'
import type { Option } from '@ostler/kit/config.ts'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The page of the agent's configuration keys, printed from the table that the agent itself reads with. */
export function vmaConfPage(): string {
  const options = Object.entries(AGENT_OPTIONS as Readonly<Record<string, Option<unknown>>>)
  return `# Keys of vma.conf

Printed from the code by \`npm run docs\`; a test compares. Do not edit. How the file is written and read:
[agent.md](agent.md). \`ostler-vma config\` prints the effective values, each with where it comes from.

| key | default | |
|---|---|---|
${options
  .map(
    ([key, option]) => `| \`${key}\` | ${shown(option.default)} | ${option.summary.replaceAll('|', '\\|')} |`,
  )
  .join('\n')}
`
}

function shown(value: string | undefined): string {
  return value === undefined || value === '' ? '–' : `\`${value}\``
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, '../docs/vma.conf.md'), vmaConfPage())
