import { adminRouteTable } from '../proxy/src/api/routes.ts'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { adminParts } from '../test/fixtures/admin-api.ts'

/** `docs/api-routes.md`: every route of the table by which the api serves requests. */
export function apiPage(): string {
  // Routes are values: nobody is asked here.
  const routes = adminRouteTable(adminParts({ as: () => undefined } as never))
  const rows = routes
    .toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
    .map(({ method, path, summary, needs, reach, hints }) => [
      `\`${method.toUpperCase()} ${path}\``,
      `\`${needs}\``,
      reach === 'tenant' ? 'yes' : '',
      hints.length > 0 ? 'yes' : '',
      summary,
    ])
  const cells = [['route', 'permission', 'tenant', 'watched', 'what'], ...rows]
  const widths = [0, 1, 2, 3, 4].map((at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`
  const [titles = [], ...rest] = cells
  return `# Routes of the api

Printed by \`npm run docs\` from the table in \`proxy/src/api\`. [api.md](api.md) says how they are used; bodies and answers are in
\`GET /api/openapi.json\`. "tenant": administrators of one tenant may as well; "watched": it comes as a stream, too.

${line(titles)}
${line(widths.map((width) => '-'.repeat(width)))}
${rest.map(line).join('\n')}
`
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, '../docs/api-routes.md'), apiPage())
