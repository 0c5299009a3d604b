import { readFileSync } from 'node:fs'

/** The number of a group in /etc/group; `undefined` when there is none of that name. */
export function findGroup(name: string, file = '/etc/group'): number | undefined {
  const line = readFileSync(file, 'utf8')
    .split('\n')
    .find((candidate) => candidate.startsWith(`${name}:`))
  const number = Number.parseInt(line?.split(':')[2] ?? '', 10)
  return Number.isInteger(number) ? number : undefined
}
