import { logSettings } from '@ostler/kit/log/options.ts'
import type { Setting } from '@ostler/kit/config.ts'
import { loadNodeConfig, nodeConfigSource } from './node-config.ts'
import type { Finding } from './qvd-keys/findings.ts'

/** What there is to say about the keys of a file. @throws Fault `config.invalid`. */
export function findingsInFile(file: string): readonly Finding[] {
  const source = nodeConfigSource(file)
  const { all, find } = source.over({})
  const set = all
    .map((key) => ({ key, ...(find(key) as Setting) }))
    .filter(({ origin }) => origin !== 'default')
  return source.findings(set)
}

/**
 * Reads a node's file as a start would.
 * @returns what there is to say about it, line by line.
 * @throws Fault `config.invalid` with every problem.
 */
export function checkConfig(file: string): readonly string[] {
  const { warnings } = logSettings(loadNodeConfig(file))
  const findings = findingsInFile(file).map(({ keys, text }) => `${keys.join(', ')}: ${text}`)
  const said = [...findings, ...warnings]
  return [...said, said.length === 0 ? `${file}: every key is used` : `${file}: a node can start with it`]
}
