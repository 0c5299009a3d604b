import { CONFIG_VARIABLE, VARIABLES } from '@ostler/client/config/environment.ts'
import { CLIENT_OPTIONS } from '@ostler/client/config/options.ts'
import { UNHEEDED } from '@ostler/client/config/unheeded.ts'
import type { Option } from '@ostler/kit/config.ts'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The page of the client's configuration keys, printed from the tables that the client itself reads with. */
export function clientConfPage(): string {
  const options = Object.entries(CLIENT_OPTIONS as Readonly<Record<string, Option<unknown>>>)
  return `# Keys of client.conf

Printed from the code by \`npm run docs\`; a test compares. Do not edit. How the files are found and what wins over what:
[client.md](client.md).

| key | default | |
|---|---|---|
${options
  .map(([key, { default: value, summary }]) => `| \`${key}\` | ${shown(value)} | ${cell(summary)} |`)
  .join('\n')}
| \`client.auth_env_share.list.N\` | – | a variable to tell the server; \`client.auth_env.share.list.N\` says the same |
| \`client.share.N\` | – | a folder to share with every desktop, as \`ostler share\` takes it; \`~/\` is your home |
| \`client.mount.N.remote\` | – | a folder of the desktop to have here: absolute, or below your home there |
| \`client.mount.N.local\` | – | where: an empty folder of this machine, or one that can be made |

## Variables of the environment

| variable | key | |
|---|---|---|
${Object.entries(VARIABLES)
  .map(([name, { key, summary }]) => `| \`${name}\` | \`${key}\` | ${cell(summary)} |`)
  .join('\n')}
| \`${CONFIG_VARIABLE}\` | – | a file that is read instead of the user's own |

## Keys of QVD that change nothing

They are read without complaint, and \`ostler\` says on standard error that it does not use them.

| keys | why |
|---|---|
${UNHEEDED.map(({ keys, reason }) => `| ${keys.map((key) => `\`${key.replace(/\.$/, '.*')}\``).join(' ')} | ${cell(reason)} |`).join('\n')}
`
}

function shown(value: string | undefined): string {
  return value === undefined || value === '' ? '–' : `\`${value}\``
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, '../docs/client.conf.md'), clientConfPage())
