import { Fault } from '@ostler/contract/fault.ts'
import type { SlaveAnswer, SlaveRequest, SlaveRoute } from '@ostler/contract/slave-server.ts'
import { requireUpgrade, upgradeHeaders } from '@ostler/contract/slave-upgrade.ts'
import { SHARE_TICKET_HEADER, SLAVE_ROUTES, SLAVE_UPGRADES } from '@ostler/contract/slave.ts'
import { existsSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { join, resolve } from 'node:path'
import type { AgentValues } from '../config/options.ts'
import { readSessionPolicy } from '../desktop/session-policy.ts'
import { mountFolder } from '../folders/fuse-mount.ts'
import { HeldStream } from './held-stream.ts'
import type { UserPrograms } from './user-programs.ts'

/** A folder of the client that is to appear below `~/Redirected`, under its last component. */
export interface WantedShare {
  /** Where it lies at the client, as the client says. */
  readonly path: string
  /** Character set of its names; `undefined`: they are left as they are. */
  readonly charset: string | undefined
}

/**
 * Mounts a folder of the client as far as policy allows it. The client's SFTP server begins to speak at the other end of `stream`
 * when it has been told the name: so `named` is called when the name is taken, before the first answer is waited for. What is
 * written to the stream before that is held back.
 *
 * @param head what came on the stream already.
 * @param named gets the name that it has.
 * @returns when it stands. The stream is the mount's, and it closes it.
 * @throws Fault. Before the name was told its status is the answer (409: the name is taken), later it only ends the stream.
 */
export interface MountShare {
  (wanted: WantedShare, stream: Duplex, head: Buffer, named: (name: string) => void): Promise<unknown>
}

/** What the routes of a session need. */
export interface ShareParts {
  readonly config: () => AgentValues
  /** The parameters of the session. */
  readonly parameters: () => ReadonlyMap<string, string>
  /** @throws Fault `session.busy` when there is no session. */
  readonly programs: () => UserPrograms
  readonly mountShare: MountShare
}

/** Folders of the client in the guest, folders of the guest at the client, and documents of the former (section 5.2). */
export function shareRoutes(parts: ShareParts): SlaveRoute[] {
  return [
    { route: SLAVE_ROUTES.share, answer: (request) => share(parts, request) },
    { route: SLAVE_ROUTES.serve, answer: (request) => serve(parts, request) },
    { route: SLAVE_ROUTES.openShared, answer: (request) => openShared(parts, request) },
  ]
}

async function share(parts: ShareParts, request: SlaveRequest): Promise<SlaveAnswer> {
  const { rest: path, headers, stream, head } = request
  const charset = requireUpgrade(headers, SLAVE_UPGRADES.sftp)
  const held = new HeldStream(stream)
  const named = Promise.withResolvers<string>()
  parts.mountShare({ path, charset }, held, head, named.resolve).catch((error: unknown) => {
    held.destroy()
    named.reject(error)
  })
  const ticket = await named.promise
  return {
    upgrade: { ...upgradeHeaders(SLAVE_UPGRADES.sftp), [SHARE_TICKET_HEADER]: ticket },
    take: () => held.release(),
  }
}

async function serve(parts: ShareParts, request: SlaveRequest): Promise<SlaveAnswer> {
  const { rest: path, headers, stream, head } = request
  requireUpgrade(headers, SLAVE_UPGRADES.sftp)
  // Her files leave the desktop this way, as they would through a folder that may be written to.
  if (readSessionPolicy(parts.parameters()).folders !== 'rw')
    throw new Fault('slave.forbidden', { what: `Path ${path}`, reason: 'policy' })
  const server = parts.config()['command.sftp-server']
  if (!existsSync(server)) throw new Fault('slave.unsupported', { what: 'SFTP', reason: `no ${server}` })
  if (path.includes('\0')) throw new Fault('request.invalid', { problem: 'the path has a NUL' })
  const programs = parts.programs()
  const folder = resolve(programs.account.home, path)
  // Looked at as her: what she cannot see is not there.
  if (!(await programs.succeeds('test', ['-d', folder]))) throw new Fault('slave.folder', { path })
  if (!(await programs.succeeds('test', ['-x', folder])))
    throw new Fault('slave.forbidden', { what: `Path ${path}`, reason: 'it cannot be entered' })
  const take = (): void => programs.onStream(server, ['-e', '-d', folder.replaceAll('%', '%%')], stream, head)
  return { upgrade: upgradeHeaders(SLAVE_UPGRADES.sftp), take }
}

/**
 * The ticket is a name below `~/Redirected`, and the document one in it: neither can lead anywhere else. Where something of hers
 * is in the way of the link, shares are found at their mounts alone.
 */
async function openShared(parts: ShareParts, request: SlaveRequest): Promise<SlaveAnswer> {
  const { rest: name, headers } = request
  const ticket = headers.get(SHARE_TICKET_HEADER.toLowerCase()) ?? ''
  for (const component of [name, ticket])
    if (/^(\.{0,2})$|[/\0]/.test(component))
      throw new Fault('request.invalid', { problem: 'no name of a document' })
  const programs = parts.programs()
  const shares = parts.config()['vma.user.shares.path'].replace(/^~\//, '')
  const { account } = programs
  for (const folder of [resolve(account.home, shares), mountFolder(account)]) {
    const file = join(folder, ticket, name)
    if (!(await programs.succeeds('test', ['-e', file]))) continue
    programs.start(parts.config()['command.open_file'], [file])
    return { status: 200, text: 'opening it' }
  }
  throw new Fault('slave.folder', { path: name })
}
