import { homedir } from 'node:os'
import { join } from 'node:path'

/** Where the client's files are. */
export interface Places {
  /** The user's. */
  readonly home: string
  /** Read in this order; what they force stays forced. */
  readonly systemFiles: readonly string[]
  /** The user's, read after them. */
  readonly userFiles: readonly string[]
  /** The one of them that the settings page writes. */
  readonly ownFile: string
  /** Certificates that were accepted. */
  readonly knownServers: string
  /** Names that were signed in with, one `host:port name` a line. */
  readonly knownUsers: string
  /** A folder of authorities, as QVD's client has it. */
  readonly qvdCertificates: string
}

/** The places of whoever runs us, by the rules of freedesktop.org's base directories. */
export function placesOf(environment: NodeJS.ProcessEnv): Places {
  const home = environment['HOME'] || homedir()
  const config = join(environment['XDG_CONFIG_HOME'] || join(home, '.config'), 'ostler')
  const ownFile = join(config, 'client.conf')
  return {
    home,
    systemFiles: ['/etc/qvd/client.conf', '/etc/ostler/client.conf'],
    userFiles: [join(home, '.qvd/client.conf'), ownFile],
    ownFile,
    knownServers: join(config, 'known-servers'),
    knownUsers: join(config, 'known-users'),
    qvdCertificates: join(home, '.qvd/certs'),
  }
}
