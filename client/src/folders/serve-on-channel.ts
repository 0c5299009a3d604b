import { Fault } from '@ostler/contract/fault.ts'
import { upgradeHeaders } from '@ostler/contract/slave-upgrade.ts'
import { SHARE_TICKET_HEADER, SLAVE_UPGRADES } from '@ostler/contract/slave.ts'
import { basename } from 'node:path'
import type { GuestCalls } from '../slave/guest-calls.ts'
import { carry, type ServedFolder, startServer } from './serve-folder.ts'
import type { WantedShare } from './wanted-share.ts'

/** Where QVD's agent mounts folders (section 5.2). */
const PLACE = '~/Redirected'

/**
 * Serves a folder of this machine over the slave channel, until either end goes or `signal` aborts: the way of QVD's desktops, which
 * know no stream of a folder's own. They tell no reason when it ends, and heed no wish for reading only: our server does.
 * @throws Fault `slave.silent`; `folder.taken`, `folder.refused` and `slave.refused` as the desktop says.
 */
export async function serveFolderOnChannel(
  share: WantedShare,
  guest: GuestCalls,
  signal: AbortSignal,
): Promise<ServedFolder> {
  const { stream, reply } = await askFor(share, guest)
  const close = (): void => void stream.destroy()
  signal.addEventListener('abort', close, { once: true })
  if (signal.aborted) close()
  if (reply.head.length > 0) stream.unshift(reply.head)
  const server = startServer(share)
  const ended = carry(stream, server).then(() => {
    signal.removeEventListener('abort', close)
    stream.destroy()
    server.kill('SIGKILL')
    return signal.aborted ? undefined : new Fault('folder.lost', { reason: 'its line has ended' })
  })
  const name = reply.headers.get(SHARE_TICKET_HEADER.toLowerCase()) ?? share.name
  return { opened: { name, place: `${PLACE}/${name}`, readOnly: share.readOnly }, ended }
}

/** Desktops take the last component for the name: where another one is wanted, that is all they are told. */
async function askFor(share: WantedShare, guest: GuestCalls): Promise<ReturnType<GuestCalls['open']>> {
  const path = basename(share.path) === share.name ? share.path : share.name
  const headers = upgradeHeaders(SLAVE_UPGRADES.sftp)
  try {
    return await guest.open({ method: 'PUT', path: `/shares/${path}`, headers })
  } catch (error) {
    const { status, text } = error instanceof Fault ? error.detail : {}
    if (status === 409) throw new Fault('folder.taken', { name: share.name }, { cause: error })
    if (status === 400 || status === 403 || status === 501)
      throw new Fault('folder.refused', { reason: String(text) }, { cause: error })
    throw error
  }
}
