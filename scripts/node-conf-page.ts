import type { Option } from '@ostler/kit/config.ts'
import { reachOf } from '@ostler/proxy/wiring/key-reach.ts'
import { NODE_OPTIONS } from '@ostler/proxy/wiring/node-config.ts'
import { MAPPED, MAPPED_VALUES } from '@ostler/proxy/wiring/qvd-keys/mapped.ts'
import { OWN_DEFAULTS } from '@ostler/proxy/wiring/qvd-keys/own-defaults.ts'
import { UNHEEDED, UNHEEDED_FAMILIES } from '@ostler/proxy/wiring/qvd-keys/unheeded.ts'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The page of a node's configuration keys, printed from the tables that the node itself reads with. */
export function nodeConfPage(): string {
  return `# Keys of node.conf

Printed from the code by \`npm run docs\`; a test compares. Do not edit. How the file is written and what wins over what:
[configuration.md](configuration.md).

_where_: **tenant** and **database** may be set by \`qa config set\`, too, the first by each tenant; empty: in the file of the
node alone. _counts_: who must start again before a change by \`qa config set\` counts; empty: nobody.

${table(['key', 'default', 'where', 'counts', ''], Object.entries(NODE_OPTIONS).map(optionRow))}

## Keys of QVD with another default

${table(
  ['key', 'why'],
  Object.entries(OWN_DEFAULTS).map(([key, reason]) => [code(key), reason]),
)}

## Keys and values of QVD that are read as others

${table(
  ['key', 'is read as', 'how'],
  [
    ...Object.entries(MAPPED).map(([key, { to, how }]) => [code(key), code(to), how]),
    ...Object.entries(MAPPED_VALUES).map(([key, { how }]) => [code(key), code(key), how]),
  ],
)}

## Keys of QVD that are not used

They may stand in the file: they are kept, and others may refer to them. hkd says once at its start which are set.

${unheeded().join('\n\n')}
`
}

function optionRow([key, option]: [string, Option<unknown>]): string[] {
  const reach = reachOf(key)
  // That of this machine is of no interest to others.
  const fallback = key === 'nodename' ? "the host's name" : code(option.default ?? '')
  return [code(key), fallback, reach?.place ?? '', reach?.restart.join(', ') ?? '', option.summary]
}

/** One paragraph for each reason, with the keys and, at its end, what else begins so. */
function unheeded(): string[] {
  const reasons = new Set([...UNHEEDED, ...UNHEEDED_FAMILIES].map(({ reason }) => reason))
  return [...reasons].map((reason) => {
    const keys = UNHEEDED.filter((group) => group.reason === reason).flatMap((group) =>
      Object.keys(group.keys),
    )
    const families = UNHEEDED_FAMILIES.filter((family) => family.reason === reason).map(
      ({ prefix }) => prefix,
    )
    const own: readonly string[] = Object.keys(NODE_OPTIONS)
    const names = [
      ...keys.filter((key) => !own.includes(key)).map(code),
      ...families.map((prefix) => `${code(prefix)}…`),
    ]
    return `**${reason}**: ${names.join(', ')}`
  })
}

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [
    columns,
    columns.map(() => '---'),
    ...rows.map((row) => row.map((cell) => cell.replaceAll('|', '\\|'))),
  ]
  return lines.map((line) => `| ${line.join(' | ')} |`).join('\n')
}

function code(text: string): string {
  return text === '' ? '–' : `\`${text}\``
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, '../docs/node.conf.md'), nodeConfPage())
