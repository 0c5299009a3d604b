import { writeWhole } from '@ostler/kit/write-file.ts'
import { parseProperties } from '@ostler/kit/properties.ts'
import { existsSync, readFileSync } from 'node:fs'

/** Puts keys into a configuration file: in place of the last line that sets each, else at the end. Everything else stays. */
export function writeKeys(path: string, changes: Readonly<Record<string, string>>): void {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  writeWhole(path, withKeys(text, changes), { mode: 0o600, folderMode: 0o700 })
}

function withKeys(text: string, changes: Readonly<Record<string, string>>): string {
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n')
  const { properties } = parseProperties(text, '')
  for (const [key, value] of Object.entries(changes)) {
    const line = `${key} = ${escaped(value)}`
    const last = properties.findLast((property) => property.key === key)?.line
    if (last === undefined) lines.push(line)
    else {
      // A value may go on in the next lines: they go with it.
      for (let next = last; isContinued(lines[next - 1]); next++) lines[next] = `# ${lines[next] ?? ''}`
      lines[last - 1] = line
    }
  }
  return `${lines.join('\n')}\n`
}

function isContinued(line: string | undefined): boolean {
  return /(^|[^\\])(\\\\)*\\$/.test((line ?? '').replace(/^# /, ''))
}

function escaped(value: string): string {
  return value
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('${', () => '$${')
}
