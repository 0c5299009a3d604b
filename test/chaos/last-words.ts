const LAST_LINES = 12

/** The last lines of a log; of those that say the same only the last. */
export function lastWords(log: string): string[] {
  const lines = new Map<string, string>()
  for (const line of log.trimEnd().split('\n')) {
    const said = /"message":"[^"]*"/.exec(line)?.[0] ?? line
    lines.delete(said)
    lines.set(said, line)
  }
  return [...lines.values()].slice(-LAST_LINES)
}
