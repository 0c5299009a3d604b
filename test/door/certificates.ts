import { run } from '@ostler/kit/run.ts'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** An authority as an administrator has one: made by openssl, with a list of revoked certificates. */
export interface TestAuthority {
  readonly caFile: string
  readonly crlFile: string
  /** Signs a certificate for a client. `names` as openssl writes them: `email:a@b`, `otherName:msUPN;UTF8:a@b`. */
  issue(commonName: string, names?: string): Promise<{ cert: string; key: string }>
  /** Puts a certificate on the list and writes it anew. */
  revoke(certificate: { cert: string }): Promise<void>
  /** Writes the list anew. @param days until it expires; negative: it has. */
  writeList(days?: number): Promise<void>
}

export async function makeTestAuthority(folder: string): Promise<TestAuthority> {
  mkdirSync(folder)
  const file = (name: string): string => join(folder, name)
  const caFile = file('ca.pem')
  const crlFile = file('crl.pem')
  writeFileSync(file('index'), '')
  writeFileSync(file('crlnumber'), '01\n')
  writeFileSync(
    file('openssl.cnf'),
    [
      '[ca]\ndefault_ca = it',
      `[it]\ndatabase = ${file('index')}\ncrlnumber = ${file('crlnumber')}`,
      `certificate = ${caFile}\nprivate_key = ${file('ca.key')}\ndefault_md = sha256`,
      '[req]\ndistinguished_name = name\n[name]\n',
    ].join('\n'),
  )
  const openssl = async (...argv: string[]): Promise<void> => {
    await run('openssl', argv, { timeoutMs: 30_000 })
  }
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const config = ['-config', file('openssl.cnf')]
  await openssl(
    ...['req', '-x509', ...config, ...newKey, '-keyout', file('ca.key'), '-out', caFile],
    ...['-subj', '/CN=Test authority', '-days', '30'],
    ...['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=keyCertSign,cRLSign'],
  )
  let serial = 100
  const writeList = async (days = 30): Promise<void> => {
    const at = (ms: number): string => `${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`
    const now = Date.now()
    const times = ['-crl_lastupdate', at(now - 90_000_000), '-crl_nextupdate', at(now + days * 86_400_000)]
    await openssl('ca', '-gencrl', ...config, ...times, '-out', crlFile)
  }
  await writeList()
  return {
    caFile,
    crlFile,
    writeList,
    issue: async (commonName, names) => {
      const base = file(String(++serial))
      await openssl(
        ...['req', '-x509', ...config, ...newKey, '-CA', caFile, '-CAkey', file('ca.key')],
        ...['-keyout', `${base}.key`, '-out', `${base}.pem`, '-subj', `/CN=${commonName}`, '-days', '30'],
        ...['-set_serial', String(serial), '-addext', 'basicConstraints=critical,CA:FALSE'],
        ...['-addext', 'extendedKeyUsage=clientAuth'],
        ...(names === undefined ? [] : ['-addext', `subjectAltName=${names}`]),
      )
      return { cert: readFileSync(`${base}.pem`, 'utf8'), key: readFileSync(`${base}.key`, 'utf8') }
    },
    revoke: async ({ cert }) => {
      writeFileSync(file('revoked.pem'), cert)
      await openssl('ca', ...config, '-revoke', file('revoked.pem'))
      await writeList()
    },
  }
}
