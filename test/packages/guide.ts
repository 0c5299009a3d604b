import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const DOCS = join(import.meta.dirname, '../../docs')

/**
 * What a page lets its reader type, in its order.
 * @param heading of the part that is meant; the whole page where none is given.
 */
export function typedIn(page: string, heading = ''): string[] {
  const text = readFileSync(join(DOCS, page), 'utf8')
  const [, part = ''] = heading === '' ? ['', text] : text.split(`\n## ${heading}\n`)
  const end = heading === '' ? part.length : `${part}\n## `.indexOf('\n## ')
  return [...part.slice(0, end).matchAll(/```sh\n([^]*?)```/g)].map(([, block = '']) => block)
}
