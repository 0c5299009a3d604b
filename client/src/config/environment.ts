import type { Setting } from '@ostler/kit/config.ts'

/** Variables of QVD's clients (compatibility page 1.6), and the keys that they say. */
export const VARIABLES: Readonly<Record<string, { readonly key: string; readonly summary: string }>> = {
  QVDHOST: { key: 'client.host.name', summary: 'the server' },
  QVDPORT: { key: 'client.host.port', summary: 'its port' },
  QVDLOGIN: { key: 'client.user.name', summary: 'your name there' },
  QVDPASSWORD: {
    key: 'client.user.password',
    summary: 'your password; programs that the client starts do not get it',
  },
  QVDBEARERTOKEN: { key: 'client.auto_connect.token', summary: 'a token instead of name and password' },
  QVDBEARER: { key: 'client.auto_connect.token', summary: 'the same, in Base64' },
  QVDVMID: { key: 'client.auto_connect.vm_id', summary: 'the desktop, by its number' },
  QVDSSLERRORS: { key: 'client.client.ssl-errors', summary: 'ask, continue or abort' },
}
/** Names a file that is read instead of the user's own. */
export const CONFIG_VARIABLE = 'QVDCLIENTCONFIG'

/** What the environment says, by key. */
export function settingsIn(environment: NodeJS.ProcessEnv): Record<string, Setting> {
  const settings: Record<string, Setting> = {}
  for (const [name, { key }] of Object.entries(VARIABLES)) {
    const said = environment[name] ?? ''
    if (said === '') continue
    const value = name === 'QVDBEARER' ? Buffer.from(said, 'base64').toString('utf8') : said
    settings[key] = { value: literally(value), origin: name }
  }
  return settings
}

/** A value in which nothing refers to another key: a password may hold `${`. */
export function literally(value: string): string {
  return value.replaceAll('${', () => '$${')
}

/** Takes secrets out of an environment that programs will inherit. */
export function withoutSecrets(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { QVDPASSWORD: _, QVDBEARERTOKEN: __, QVDBEARER: ___, ...rest } = environment
  return rest
}
