import { RECIPE_OPTIONS } from '@ostler/image/recipe.ts'
import type { Option } from '@ostler/kit/config.ts'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The page of the keys of a recipe, printed from the table that `ostler-image` itself reads with. */
export function recipePage(): string {
  const options = Object.entries(RECIPE_OPTIONS as Readonly<Record<string, Option<unknown>>>)
  return `# Keys of a recipe

Printed from the code by \`npm run docs\`; a test compares. Do not edit. The guide is [image-builder.md](image-builder.md).
Every key of [vma.conf.md](vma.conf.md) may stand in a recipe, too. Files are looked for beside the recipe.

| key | default | |
|---|---|---|
${options.map(([key, { default: usual, summary }]) => `| \`${key}\` | ${shown(usual)} | ${summary} |`).join('\n')}
`
}

function shown(value: string | undefined): string {
  if (value === undefined) return 'must be set'
  return value === '' ? '–' : `\`${value}\``
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, '../docs/recipe.conf.md'), recipePage())
