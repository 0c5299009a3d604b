import { Fault } from '@ostler/contract/fault.ts'
import { type Account, findAccount } from '@ostler/kit/passwd.ts'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { prefixOf, type Subnet } from '../model/address.ts'
import type { AddressPool } from '../store/addresses.ts'
import { readGivenPems } from '../model/door-certificate.ts'
import { type DatabaseAddress } from '../store/open.ts'
import type { NodeValues } from './node-config.ts'
import { isRemote, remoteAddress } from './remote-database.ts'

/** Where the database is for one role: on the unix socket of the private cluster, or at the administrator's server. */
export function databaseAddress(
  config: NodeValues,
  role: string,
  database = config['database.name'],
): DatabaseAddress {
  if (isRemote(config)) return remoteAddress(config, role)
  return { host: join(config['path.run'], 'postgres'), port: 5432, database, user: role }
}

/** Where the database is for the api, which has a socket of its own: its group reaches that one alone. */
export function apiDatabaseAddress(config: NodeValues, role: string): DatabaseAddress {
  if (isRemote(config)) return remoteAddress(config, role)
  return { ...databaseAddress(config, role), host: join(config['path.run'], 'postgres-api') }
}

/** @throws Fault `node.missingUser`. */
export function requireAccount(name: string): Account {
  const account = findAccount(name)
  if (account === undefined) throw new Fault('node.missingUser', { user: name })
  return account
}

/** @throws Fault `config.invalid` when an address is none. */
export function subnetOf(config: NodeValues): Subnet {
  try {
    return { gateway: config['vm.network.gateway'], prefix: prefixOf(config['vm.network.netmask']) }
  } catch (error) {
    throw new Fault('config.invalid', {
      problems: `vm.network: ${error instanceof Error ? error.message : ''}`,
    })
  }
}

/** What desktops get their addresses from. @throws Fault `config.invalid`. */
export function addressPool(config: NodeValues): AddressPool {
  return { start: config['vm.network.ip.start'], subnet: subnetOf(config) }
}

/** The file that says which process keeps house. */
export function hkdPidFile(config: NodeValues): string {
  return join(config['path.run'], 'hkd.pid')
}

/** What the certificate authority is sealed under: root's alone, and in no backup of the database. */
export function nodeKeyFile(config: NodeValues): string {
  return join(config['path.state'], 'node.key')
}

/** Where hkd leaves what the l7r presents to agents. */
export function doorIdentityFile(config: NodeValues): string {
  return join(config['path.run'], 'l7r', 'identity.json')
}

/** Where hkd leaves the certificate from the database for the doors of its node. */
export function givenSslFile(config: NodeValues): string {
  return join(config['path.state'], 'ssl', 'door.json')
}

/** The certificate alone of `givenSslFile`, which everybody may read. */
export function givenCertificateFile(config: NodeValues): string {
  return join(config['path.state'], 'ssl', 'door.pem')
}

/** What this node's doors show, PEM, for those who have no business with its key. */
export function certificateShown(config: NodeValues): string {
  const given = givenCertificateFile(config)
  return readFileSync(existsSync(given) ? given : config['path.l7r.ssl.cert'], 'utf8')
}

/** What this node's doors show, PEM: from the database, else their own. For the door itself. */
export function certificateInUse(config: NodeValues): string {
  return readGivenPems(givenSslFile(config))?.cert ?? readFileSync(config['path.l7r.ssl.cert'], 'utf8')
}

/** The unix socket by which a door is asked and told things; one of several on a node is known by its port. */
export function doorSocket(config: NodeValues): string {
  return join(config['path.run'], 'l7r', `door-${config['l7r.port']}.sock`)
}

/** The unix socket by which hkd is asked things. */
export function hkdSocket(config: NodeValues): string {
  return join(config['path.run'], 'hkd.sock')
}

/** The unix socket by which the fence is told until when desktops may run. */
export function fenceSocket(config: NodeValues): string {
  return join(config['path.run'], 'fence.sock')
}

/** The file that says which process is the fence. */
export function fencePidFile(config: NodeValues): string {
  return join(config['path.run'], 'fence.pid')
}

/** The unix socket of the simulated machines. */
export function yardSocket(config: NodeValues): string {
  return join(config['path.run'], 'yard', 'yard.sock')
}

/** The unix socket of the api. */
export function apiSocket(config: NodeValues): string {
  return join(config['path.run'], 'api', 'api.sock')
}
