import { ADMIN_OBJECTS } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { HOMES_PATH, type Removed } from '@ostler/contract/homes.ts'
import { withDeadline } from '@ostler/kit/deadline.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { Scope } from '@ostler/kit/scope.ts'
import type { ApiClient } from '@ostler/qa/api-client.ts'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Release } from './release.ts'
import { ENOUGH, look, type Picture } from './rfb-look.ts'

/** A node that an image is tried on. */
export interface Stand {
  readonly api: ApiClient
  readonly door: { readonly host: string; readonly port: number }
  readonly tell: (text: string) => void
  readonly signal: AbortSignal
}

/** A machine on an emulated processor takes minutes. */
const OPEN_MS = 600_000
/** From the first picture until a desktop environment has painted its own. */
const PAINT_MS = 120_000
const STOP_MS = 120_000
const LOOK_MS = 1_000
const MEMORY_MB = 2_048

/**
 * Tries an image on a real node: a desktop of it starts, a user who was made for this signs in at the door, and her session shows
 * a picture that is more than an empty ground where the recipe names an environment. Everything that was made for it is removed.
 *
 * @throws Fault `image.failedCheck` with the step and the reason.
 */
export async function checkImage({ path, manifest }: Release, stand: Stand): Promise<Picture> {
  const { api, door, tell, signal } = stand
  const image = `${manifest.name} ${manifest.version}`
  const name = `check-${randomBytes(6).toString('hex')}`
  const password = randomBytes(18).toString('base64url')
  let step = 'adding it to the node'
  const begin = (what: string): void => tell((step = what))
  const made = new Scope()
  try {
    begin(step)
    const { osf, di, user, vm } = ADMIN_OBJECTS
    await api.post(osf.path, { name, memory: MEMORY_MB, hypervisor: manifest.format })
    made.defer(async () => void (await api.delete(`${osf.path}/${name}`)))
    const kind = manifest.format === 'kvm' ? 'qcow2' : 'tarball'
    const added = (await api.post(di.path, { osf: name, name, kind, path, sha256: manifest.sha256 })) as {
      id: number
    }
    made.defer(async () => void (await api.delete(`${di.path}/${added.id}`)))
    await api.post(user.path, { login: name, password })
    made.defer(() => removeUser(api, name))
    const desktop = (await api.post(vm.path, { name, user: name, osf: name })) as { id: number }
    made.defer(() => stopDesktop(api, name))

    begin('starting a desktop and opening a session')
    const seen = { ...door, login: name, password, desktop: desktop.id }
    const open = (within: number): Promise<Picture> =>
      withDeadline(step, within, (inTime) => look(seen, inTime), signal)
    let picture = await open(OPEN_MS)
    begin('waiting for the picture')
    const end = performance.now() + PAINT_MS
    while (picture.colours < enoughFor(manifest.desktop)) {
      if (performance.now() > end) throw new Error(`after ${PAINT_MS / 1_000} s it has one colour`)
      await sleep(LOOK_MS, undefined, { signal })
      picture = await open(PAINT_MS)
    }
    return picture
  } catch (cause) {
    signal.throwIfAborted()
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('image.failedCheck', { image, step, reason }, { cause })
  } finally {
    tell('removing what was made for it')
    await made.close()
  }
}

/** Bare window managers show an empty ground. */
function enoughFor(desktop: string): number {
  return desktop === 'none' ? 1 : ENOUGH
}

async function stopDesktop(api: ApiClient, name: string): Promise<void> {
  const path = `${ADMIN_OBJECTS.vm.path}/${name}`
  await api.post(`${path}/wishes`, { kind: 'stop' })
  const isStopped = async (): Promise<boolean> => {
    const rows = (await api.get(`${ADMIN_OBJECTS.vm.path}?filter=name%3D${name}`)) as { state: string }[]
    return rows.every(({ state }) => state === 'stopped' || state === 'failed')
  }
  await comesToHold(isStopped, STOP_MS, 500)
  await purge(api, (await api.delete(path)) as Removed)
}

async function removeUser(api: ApiClient, name: string): Promise<void> {
  await purge(api, (await api.delete(`${ADMIN_OBJECTS.user.path}/${name}`)) as Removed)
}

/** Nothing in those homes is anybody's. */
async function purge(api: ApiClient, { homes }: Removed): Promise<void> {
  for (const { id } of homes) await api.post(`${HOMES_PATH}/${id}/purge`, {})
}
