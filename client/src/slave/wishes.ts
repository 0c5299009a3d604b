import type { ClientValues } from '../config/options.ts'
import type { ChannelWishes } from './client-side.ts'
import type { Forward } from './forward.ts'

/** The keys that say it. */
export type ChannelValues = Pick<
  ClientValues,
  | 'client.slave.enable'
  | 'client.slave.ports'
  | 'client.open.enable'
  | 'client.open.extensions'
  | 'command.open_file'
>

/**
 * What the user wants of the slave channel.
 * @param mounts how many folders of the desktop are to be here.
 * @returns `undefined` when there is to be none at all.
 */
export function channelWishes(
  options: ChannelValues,
  forwards: readonly Forward[],
  mounts = 0,
): ChannelWishes | undefined {
  const kinds = options['client.open.enable']
  const ports = options['client.slave.ports']
  if (!options['client.slave.enable']) return undefined
  return {
    ports: (port) => ports.has(port),
    forwards,
    isNeeded: kinds.size > 0 || !ports.isEmpty || forwards.length > 0 || mounts > 0,
    open: {
      links: kinds.has('links'),
      documents: kinds.has('documents'),
      extensions: options['client.open.extensions']
        .toLowerCase()
        .split(/[\s,.]+/)
        .filter(Boolean),
      program: options['command.open_file'],
    },
  }
}
