/** One `key = value` of a file, before `${…}` is resolved. */
export interface Property {
  readonly key: string
  readonly value: string
  readonly file: string
  readonly line: number
}

/** What is wrong at one place of a file. */
export interface Problem {
  readonly file: string
  readonly line: number
  readonly text: string
}

const SEPARATOR = /^((?:\\.|[^\\=:\s])+)(?:\s*[=:]\s*|\s+)(.*)$/s
const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r' }

/**
 * Reads QVD's property format (compatibility page 10.1): `key = value`, `key: value` or `key value`, comment lines with
 * `#` or `!`, a backslash at the end of a line continues it, `\t \n \r \\ \: \= \#` and `\uXXXX` escape.
 * A `#` or `;` inside a value belongs to the value.
 *
 * @returns all properties in file order and all problems; never throws.
 */
export function parseProperties(text: string, file: string): { properties: Property[]; problems: Problem[] } {
  const properties: Property[] = []
  const problems: Problem[] = []
  for (const { content, line } of logicalLines(text)) {
    const match = SEPARATOR.exec(content)
    if (match?.[1] === undefined || match[2] === undefined) {
      problems.push({ file, line, text: 'expected "key = value"' })
      continue
    }
    properties.push({ key: unescape(match[1]), value: unescape(match[2]), file, line })
  }
  return { properties, problems }
}

/** Lines without comments and blanks, continuation lines joined; `line` is the number of the first. */
function* logicalLines(text: string): Generator<{ content: string; line: number }> {
  const lines = text.split(/\r?\n/)
  for (let index = 0; index < lines.length; index++) {
    const line = index + 1
    let content = (lines[index] ?? '').trim()
    if (content === '' || content.startsWith('#') || content.startsWith('!')) continue
    while (endsInContinuation(content) && index + 1 < lines.length) {
      index += 1
      content = content.slice(0, -1) + (lines[index] ?? '').trim()
    }
    yield { content, line }
  }
}

/** True when an odd number of backslashes ends the line: an even number is escaped backslashes. */
function endsInContinuation(content: string): boolean {
  const trailing = /\\+$/.exec(content)
  return trailing !== null && trailing[0].length % 2 === 1
}

function unescape(text: string): string {
  return text.replace(
    /\\(?:u([0-9a-fA-F]{4})|(.))/gs,
    (_, hex: string | undefined, char: string | undefined) =>
      hex !== undefined ? String.fromCharCode(Number.parseInt(hex, 16)) : (ESCAPES[char ?? ''] ?? char ?? ''),
  )
}
