import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { ListenSettings } from '../l7r/listen/listener.ts'
import type { TlsSettings } from '../l7r/listen/tls-server.ts'
import type { NodeValues } from './node-config.ts'
import { givenSslFile } from './node-parts.ts'

/**
 * How the door listens. Says in the log which words of its TLS options are without effect.
 * @throws Fault `config.invalid` when certificates are asked for where there is no TLS.
 */
export function listenSettings(config: NodeValues, log: Log): ListenSettings {
  const asks = config['l7r.client.cert.require'] || config['l7r.client.cert.accept']
  if (asks && !config['l7r.use_ssl'])
    throw new Fault('config.invalid', {
      problems: 'l7r.use_ssl must be 1 where l7r.client.cert.require or l7r.client.cert.accept is',
    })
  return {
    address: config['l7r.address'],
    port: config['l7r.port'],
    tls: config['l7r.use_ssl'] ? tlsSettings(config, log) : undefined,
    balancers: config['l7r.proxy_protocol.from'],
    perAddress: config['l7r.limit.connections_per_address'],
  }
}

/** Where doors of other nodes reach this one. */
export function hopAddress(config: NodeValues, { givenSocket }: Pick<ListenSettings, 'givenSocket'>): string {
  if (config['l7r.hop.address'] !== '') return config['l7r.hop.address']
  const isOpen = config['l7r.address'] === '*' || givenSocket !== undefined
  return isOpen ? config['nodename'] : config['l7r.address']
}

function tlsSettings(config: NodeValues, log: Log): TlsSettings {
  const versions = config['l7r.options.SSL_version']
  const ciphers = config['l7r.options.SSL_cipher_list']
  for (const [key, { ignored }] of [
    ['l7r.options.SSL_version', versions],
    ['l7r.options.SSL_cipher_list', ciphers],
  ] as const)
    if (ignored.length > 0) log.warn('words without effect', { key, words: ignored.join(' ') })
  return {
    files: {
      given: givenSslFile(config),
      key: config['path.l7r.ssl.key'],
      cert: config['path.l7r.ssl.cert'],
      ca: config['path.l7r.ssl.ca'],
      crl: config['path.l7r.ssl.crl'],
    },
    versions,
    ciphers: ciphers.list,
    clients: config['l7r.client.cert.require']
      ? 'required'
      : config['l7r.client.cert.accept']
        ? 'asked'
        : 'not asked',
  }
}
