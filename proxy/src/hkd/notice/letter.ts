import type { NoticeKind } from '../../model/notice.ts'
import type { Notice } from '../../store/notices.ts'

/** Lines of one summary. */
const MOST_LINES = 200
const MOST_SUBJECT = 150

const PLURAL: Readonly<Record<NoticeKind, string>> = {
  failure: 'failures',
  provision: 'new desktops',
  expiry: 'expiries',
}

/** What administrators read of one notice, or of many as one summary. Pure. @param node who tells. */
export function letterOf(node: string, notices: readonly Notice[]): { subject: string; text: string } {
  const [first, ...more] = notices
  if (first === undefined) throw new Error('there is nothing to tell')
  const subject = more.length === 0 ? `${first.kind}: ${first.desktop}: ${first.said}` : counted(notices)
  const text = more.length === 0 ? single(first) : summary(notices)
  return { subject: oneLine(`[ostler ${node}] ${subject}`).slice(0, MOST_SUBJECT), text: `${text}\n` }
}

function single({ kind, at, desktop, user, said, code, cure }: Notice): string {
  const lines = [
    `${kind} of ${desktop}${user === '' ? '' : `, the desktop of ${user}`}`,
    `at ${at.toISOString()}`,
    '',
    said,
    ...(cure === null ? [] : [`What to try: ${cure}`]),
    ...(code === null ? [] : [`[${code}]`]),
    '',
    `More: qa vm explain -f name=${desktop}`,
  ]
  return lines.join('\n')
}

/** `37 notices: 30 failures, 7 new desktops` */
function counted(notices: readonly Notice[]): string {
  const kinds = (Object.keys(PLURAL) as NoticeKind[])
    .map((kind) => [notices.filter((notice) => notice.kind === kind).length, PLURAL[kind]] as const)
    .filter(([count]) => count > 0)
  return `${notices.length} notices: ${kinds.map(([count, word]) => `${count} ${word}`).join(', ')}`
}

/** One line for what was said of a desktop, however often. */
function summary(notices: readonly Notice[]): string {
  const times = new Map<string, { notice: Notice; count: number }>()
  for (const notice of notices) {
    const key = JSON.stringify([notice.kind, notice.desktop, notice.said])
    times.set(key, { notice, count: (times.get(key)?.count ?? 0) + 1 })
  }
  const lines = [...times.values()].map(({ notice, count }) => {
    const often = count === 1 ? '' : ` (${count} times)`
    return oneLine(`${notice.at.toISOString()} ${notice.kind}: ${notice.desktop}: ${notice.said}${often}`)
  })
  const left = lines.length - MOST_LINES
  return [
    `${counted(notices)}.`,
    '',
    ...lines.slice(0, MOST_LINES),
    ...(left > 0 ? [`and ${left} more`] : []),
    '',
    'More: qa notice list, qa vm explain -f name=…',
  ].join('\n')
}

function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
}
