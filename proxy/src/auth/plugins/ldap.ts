import type { DirectoryAddress } from '../ldap/settings.ts'
import { Directories } from '../ldap/directories.ts'
import { isPlain } from '../ldap/escape.ts'
import { ldapSettings } from '../ldap/settings.ts'
import { TrustedCertificates } from '../ldap/trusted-certificates.ts'
import { type AuthPlugin, NOT_MINE, type Verdict } from '../plugin.ts'
import type { PluginContext } from '../registry.ts'

/**
 * The plugin `ldap`: users whom a directory knows (compatibility page 6.3, docs/sign-in-ldap.md). A directory that
 * cannot tell is never a "no". Each sign-in has one connection of its own.
 *
 * @throws Fault `auth.unavailable` naming the key that is wrong.
 */
export function ldapPlugin({ settings: values, log: parent }: PluginContext): AuthPlugin {
  const log = parent.child({ plugin: 'ldap' })
  const settings = ldapSettings(values)
  const { timeoutMs, startTls, caFile } = settings
  const directories = new Directories(settings.directories, { timeoutMs, log })
  const trusted = new TrustedCertificates(caFile)
  const open = settings.directories.filter((address) => !address.tls && !startTls && !isLocal(address))
  if (open.length > 0)
    log.warn('passwords go to the directory unencrypted: use ldaps:// or auth.ldap.starttls', {
      directories: open.map(({ uri }) => uri).join(' '),
    })
  return {
    name: 'ldap',
    authenticate: async (attempt) => {
      const { login, password, signal } = attempt
      // A directory takes an empty password for "nobody in particular", some end it at a NUL, and say yes.
      if (password.reveal() === '' || password.reveal().includes('\0')) return refuse('no usable password')
      if (login === '' || !isPlain(login)) return NOT_MINE
      // Whoever has no directory does not pay for its library.
      const [{ connectDirectory }, { askDirectory }] = await Promise.all([
        import('../ldap/connect.ts'),
        import('../ldap/ask-directory.ts'),
      ])
      let asked = ''
      const verdict = await directories.ask(async (address, inTime) => {
        asked = address.uri
        const exchange = await connectDirectory(address, { startTls, trusted }, inTime)
        try {
          return await askDirectory(exchange, settings, attempt, log)
        } finally {
          exchange.end()
        }
      }, signal)
      if (verdict.kind === 'reject')
        log.info('a directory refused somebody', { login, directory: asked, reason: verdict.reason })
      if (verdict.kind === 'abstain')
        log.debug('a directory does not know somebody', { login, directory: asked, reason: verdict.reason })
      return verdict
    },
  }
}

function refuse(reason: string): Verdict {
  return { kind: 'reject', reason }
}

function isLocal({ host }: DirectoryAddress): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host)
}
