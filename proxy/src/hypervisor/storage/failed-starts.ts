import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { copyFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { FAILED, overlayOwner } from '../../model/storage-layout.ts'
import { bytesBelow } from './bytes-below.ts'

/** What is kept of a start that failed. */
export interface KeptStart {
  readonly folder: string
  readonly bytes: number
}

/** So many are kept of each desktop. */
export const KEPT_STARTS = 3

/**
 * Keeps what a start that failed has written: its overlay is moved to `failed/DESKTOP-BOOT` beside it, with its logs and the
 * reason. Older ones of the same desktop than the last three are removed.
 *
 * @param overlays the folder that holds its overlay.
 * @param logs files of its console and of what ran it; those that there are.
 * @returns `undefined` when it has written nothing, or was kept before.
 */
export async function keepFailedStart(
  overlays: string,
  desktop: { readonly id: number; readonly epoch: number },
  logs: readonly string[],
  fault: string,
): Promise<KeptStart | undefined> {
  const mine = namesIn(overlays).filter((name) => overlayOwner(name)?.vmId === desktop.id)
  if (mine.length === 0) return undefined
  const folder = join(overlays, FAILED, `${desktop.id}-${desktop.epoch}`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  await writeFile(join(folder, 'fault.txt'), `${fault}\n`, { mode: 0o600 })
  for (const log of logs) if (existsSync(log)) await copyFile(log, join(folder, basename(log)))
  // Last: what is still where it was is kept at the next look.
  for (const name of mine) {
    await rm(join(folder, name), { recursive: true, force: true })
    renameSync(join(overlays, name), join(folder, name))
  }
  const old = failedStarts(overlays)
    .filter(({ vmId }) => vmId === desktop.id)
    .toSorted((a, b) => b.epoch - a.epoch)
    .slice(KEPT_STARTS)
  for (const { path } of old) await rm(path, { recursive: true, force: true })
  return { folder, bytes: await bytesBelow(folder) }
}

/** What is kept of starts that failed. */
export function failedStarts(overlays: string): { vmId: number; epoch: number; path: string }[] {
  const folder = join(overlays, FAILED)
  return namesIn(folder).flatMap((name) => {
    const [, vmId, epoch] = /^(\d+)-(\d+)$/.exec(name) ?? []
    return vmId === undefined ? [] : [{ vmId: Number(vmId), epoch: Number(epoch), path: join(folder, name) }]
  })
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}
