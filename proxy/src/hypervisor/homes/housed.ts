import { Fault } from '@ostler/contract/fault.ts'
import { pidFileHolder } from '@ostler/kit/pid-file.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { isAlive, type ProcessIdentity, signalProcess } from '@ostler/kit/process-table.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { HomeKind } from '../../model/home.ts'
import type { DesktopSpec, Hypervisor } from '../hypervisor.ts'
import type { CgroupLayout } from '../lxc/cgroup.ts'
import { moveToOwnGroup, removeOwnGroup } from '../own-group.ts'
import { requireAnswers } from '../storage/answers.ts'
import { requirePermissions } from '../storage/permissions.ts'
import { mountHomeImage, unmountHomeImage } from './home-image.ts'
import { lockHome } from './home-lock.ts'
import { removeHome } from './home-moves.ts'
import {
  findHome,
  type HomeOwner,
  type HomePlaces,
  homesOpenHere,
  makeHome,
  openHome,
  pooledHomesHere,
  requireMounted,
} from './home-place.ts'

export interface HousedSettings extends HomePlaces {
  /** Name of the node, for whoever reads a lock. */
  readonly node: string
  /** What the driver can give to its desktops. */
  readonly kinds: readonly HomeKind[]
  /** Whose a home that is a directory is on the node. */
  readonly owner: (spec: DesktopSpec) => HomeOwner
  /** Nothing starts unless something is mounted at `homes`. */
  readonly mustBeMounted: boolean
  /** Where the keepers of locks live: what ends our own group must not end them. `undefined`: an ordinary user has none. */
  readonly group: { readonly cgroups: CgroupLayout; readonly name: string } | undefined
}

const END_MS = 5_000

/**
 * A driver whose desktops have their homes to themselves: locked on the storage, found or made, checked and mounted before `prepare`,
 * and given back by `release`. A process keeps each lock while we are not there. A pool's desktop loses its home by `reset`.
 */
export function housed(driver: Hypervisor, settings: HousedSettings): Hypervisor {
  const pooled = async (id: number): Promise<string[]> => {
    await requireAnswers([settings.homes])
    if (settings.mustBeMounted) requireMounted(settings.homes) // what cannot be seen is not gone
    return pooledHomesHere(settings, id)
  }
  return {
    ...driver,
    prepare: async (spec) => {
      await asFault(join(settings.homes, spec.home.path), () => open(driver.name, settings, spec))
      await driver.prepare(spec)
    },
    release: async (id, failed) => {
      // First of all: nothing that removes folders may find a home that is still mounted.
      await close(settings, id)
      await driver.release(id, failed)
    },
    reset: async (id) => {
      await close(settings, id)
      for (const path of await pooled(id)) await removeHome(settings.homes, path)
      await driver.reset(id)
    },
    written: async (id) => [
      ...(await pooled(id)).map((path) => join(settings.homes, path)),
      ...(await driver.written(id)),
    ],
  }
}

/** Gives back every home of a node that has no desktops any more, such as one that a crash left open. */
export async function giveBackHomes(settings: Pick<HousedSettings, 'run' | 'group'>): Promise<void> {
  for (const id of homesOpenHere(settings.run)) await close(settings, id)
}

/** @throws Fault `home.*`, `storage.permissions`, `storage.silent` */
async function open(driver: string, settings: HousedSettings, spec: DesktopSpec): Promise<void> {
  const { home } = spec
  const path = join(settings.homes, home.path)
  if (!settings.kinds.includes(home.kind))
    throw new Fault('home.kind', { home: path, kind: home.kind, driver })
  await requireAnswers([settings.homes])
  if (settings.mustBeMounted) requireMounted(settings.homes)
  requirePermissions([settings.homes])
  await close(settings, spec.id)
  const opened = openHome(settings, spec.id)
  mkdirSync(opened.root, { recursive: true, mode: 0o700 })
  using lock = await lockHome(path, (keeper) => {
    writeWhole(opened.keeper, JSON.stringify(keeper), { mode: 0o600 })
    if (settings.group !== undefined) moveToOwnGroup(settings.group.cgroups, settings.group.name, keeper.pid)
  })
  const owner = settings.owner(spec)
  const isThere = findHome(path, home, lock.madeFor === home.id, owner)
  const desktop = `${spec.id} ${spec.name}`
  lock.write(home.id, { node: settings.node, desktop, epoch: home.epoch, since: new Date().toISOString() })
  if (!isThere) await makeHome(path, home, owner)
  if (home.kind !== 'image') return
  writeWhole(opened.image, path, { mode: 0o600 })
  await mountHomeImage(path, opened.mount, home.limitMb)
}

/** A full or a read-only storage, say. */
async function asFault(place: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    throw new Fault('home.failed', { place, reason: (cause as Error).message }, { cause })
  }
}

/** @throws Fault `home.failed` when somebody still has it, `storage.silent`. */
async function close(settings: Pick<HousedSettings, 'run' | 'group'>, id: number): Promise<void> {
  const { root, keeper, image, mount } = openHome(settings, id)
  if (!existsSync(root)) return
  if (existsSync(image)) {
    const file = readFileSync(image, 'utf8')
    // Its last blocks could not be written, and who unmounts it would wait for that.
    await requireAnswers([dirname(file)])
    await unmountHomeImage(file, mount)
  }
  const holder = pidFileHolder(keeper)
  if (holder !== undefined) await end(holder)
  // Never more than what we have put there: below `mount` would be a home.
  if (existsSync(mount)) rmdirSync(mount)
  for (const file of [keeper, image]) rmSync(file, { force: true })
  rmdirSync(root)
  if (settings.group !== undefined) removeOwnGroup(settings.group.cgroups, settings.group.name)
}

async function end(keeper: ProcessIdentity): Promise<void> {
  signalProcess(keeper, 'SIGKILL')
  await comesToHold(() => !isAlive(keeper), END_MS, 5)
}
