import { SSL_PATH, type SslShown } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { readFileSync } from 'node:fs'
import type { ApiClient } from './api-client.ts'
import type { Console } from './commands.ts'

const FILES = ['key', 'cert', 'ca', 'crl'] as const
const WORDS = ['key=FILE cert=FILE [ca=FILE] [crl=FILE]', 'del', 'nothing: it is shown']

/**
 * `qa config ssl`: the certificate of all doors is shown; with files it is set, by `del` taken away. A file of `-` is
 * standard input, for a key that lies in no file.
 * @throws Fault `client.choice`, or what the api says.
 */
export async function certificateOfDoors(
  words: readonly string[],
  api: ApiClient,
  out: Console,
): Promise<void> {
  if (words.length === 0) return void show((await api.get(SSL_PATH)) as SslShown, out)
  if (words.join(' ') === 'del') {
    const { wasSet, file } = (await api.delete(SSL_PATH)) as { wasSet: boolean; file: string }
    out.print(
      wasSet
        ? `SSL files deleted: doors go back to the files of their nodes, here ${file}.`
        : 'There are no SSL files in the database.',
    )
    return
  }
  const body = await readFiles(words, out)
  const shown = (await api.post(SSL_PATH, body)) as SslShown & { warnings: readonly string[] }
  const more = ['ca', 'crl'].filter((name) => name in body)
  const names = ['SSL certificate', 'private key', ...more]
  out.print(`${names.slice(0, -1).join(', ')} and ${names.at(-1)} set.`)
  out.print(`fingerprint ${shown.certificate?.fingerprint ?? ''}`)
  for (const warning of shown.warnings) out.print(`warning: ${warning}`)
}

async function readFiles(words: readonly string[], out: Console): Promise<Record<string, string>> {
  const body: Record<string, string> = {}
  let isInputRead = false
  for (const word of words) {
    const [, name = '', file = ''] = /^(key|cert|ca|crl)=(.+)$/s.exec(word) ?? []
    if (name === '' || name in body) throw choice(`${word} is not one of the files`)
    if (file === '-' && isInputRead) throw choice('only one file can come from standard input')
    isInputRead ||= file === '-'
    body[name] = file === '-' ? await out.readInput() : read(name, file)
  }
  const missing = FILES.slice(0, 2).filter((name) => !(name in body))
  if (missing.length > 0) throw choice(`${missing.join(' and ')} must be given`)
  return body
}

function read(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    throw choice(`${name}: ${file} cannot be read (${code})`)
  }
}

function show(shown: SslShown, out: Console): void {
  const { origin, file, certificate, ca, crl, setAt, shownHere } = shown
  if (certificate === null) return void out.print('origin: none, the doors of this node speak without TLS')
  const extras = [...(ca ? [', ca'] : []), ...(crl ? [', crl'] : [])].join('')
  out.print(`subject: ${certificate.subject}`)
  out.print(`issuer: ${certificate.issuer}`)
  out.print(`names: ${certificate.names.join(', ') || 'none'}`)
  out.print(`valid: ${certificate.validFrom} to ${certificate.validTo}`)
  out.print(`fingerprint: ${certificate.fingerprint}`)
  out.print(`chain: ${certificate.chain}`)
  out.print(
    origin === 'database' ? `origin: database${extras}, set at ${setAt ?? '-'}` : `origin: file ${file}`,
  )
  if (shownHere === null) out.print('warning: the doors of this node speak without TLS')
  else if (shownHere !== certificate.fingerprint)
    out.print(`warning: doors of this node still have another one, ${shownHere}: see the log of hkd`)
  for (const warning of certificate.warnings) out.print(`warning: ${warning}`)
}

function choice(problem: string): Fault {
  return new Fault('client.choice', { problem, choices: WORDS.join(', ') })
}
